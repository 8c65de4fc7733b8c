//go:build unix

package devdb

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// owner is the user that Postgres runs as, since it refuses to run as root.
type owner struct {
	name     string
	uid, gid int
	other    bool // not us: credentials have to change
}

// unprivileged is us, or for root the user postgres or nobody. The user must
// have a passwd entry: initdb looks itself up.
func unprivileged() (owner, error) {
	if os.Geteuid() != 0 {
		return owner{name: "uid " + strconv.Itoa(os.Geteuid()), uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.Atoi(u.Uid)
		gid, errGID := strconv.Atoi(u.Gid)
		if errUID == nil && errGID == nil && uid != 0 {
			return owner{name: name, uid: uid, gid: gid, other: true}, nil
		}
	}
	return owner{}, fmt.Errorf("run Postgres as root: it refuses, and there is neither a user postgres nor nobody to run it as")
}

// own gives a path to the owner.
func (o owner) own(path string) error {
	if !o.other {
		return nil
	}
	if err := os.Chown(path, o.uid, o.gid); err != nil {
		return fmt.Errorf("give %s to %s: %w", path, o.name, err)
	}
	return nil
}

// sysProcAttr puts a child in its own process group, so that Ctrl-C reaches
// only us, as the owner.
func (o owner) sysProcAttr() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	endWithParent(attr)
	if o.other {
		attr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return attr
}

// lockFile takes the lock that says a folder is in use; ok is false when
// another process holds it.
func lockFile(f *os.File) (ok bool) {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
