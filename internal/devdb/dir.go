package devdb

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Folders lie in /tmp whatever TMPDIR says: a socket's path may have 103 bytes
// only, and the folders of tests cannot be entered by another user.
const (
	dirRoot   = "/tmp"
	dirPrefix = "walcast-pg-"
	staleAge  = 24 * time.Hour
)

// makeDir makes a server's folder and holds its lock.
func makeDir(o owner) (dir string, lock *os.File, err error) {
	if dir, err = os.MkdirTemp(dirRoot, dirPrefix); err != nil {
		return "", nil, fmt.Errorf("make folder for Postgres: %w", err)
	}
	if lock, err = os.Create(filepath.Join(dir, "lock")); err == nil && !lockFile(lock) {
		err = errors.New("already locked")
	}
	if err != nil {
		return dir, lock, fmt.Errorf("lock folder for Postgres: %w", err)
	}
	return dir, lock, o.own(dir)
}

// remove takes the folder away and lets go of its lock.
func (s *Server) remove() error {
	if s.lock != nil {
		s.lock.Close()
		s.lock = nil
	}
	if s.options.Keep || s.Dir == "" {
		return nil
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		return fmt.Errorf("remove folder of Postgres: %w", err)
	}
	return nil
}

// removeStale removes folders that killed processes left: over a day old, and
// nobody holds the lock. Others' folders fail, which is fine.
func removeStale(now time.Time) {
	dirs, _ := filepath.Glob(filepath.Join(dirRoot, dirPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || now.Sub(info.ModTime()) < staleAge || inUse(dir) {
			continue
		}
		_ = os.RemoveAll(dir)
	}
}

func inUse(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	defer lock.Close()
	return !lockFile(lock)
}

// dataVersion is the major version that made a data folder, 0 when it is new.
func dataVersion(dir string) int {
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return major
}

// choosePort is the wanted port or a free one; without TCP it only names the
// socket.
func choosePort(o Options) (int, error) {
	if !o.TCP {
		return 5432, nil
	}
	if o.Port != 0 {
		return o.Port, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
