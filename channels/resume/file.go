package resume

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"walcast/internal/atomicfile"
)

// files are the state file and the marker file beside it. The marker is there while
// a server uses the state, so that the next start notices a run that ended without
// Save, and one that goes on. It names the run that wrote it last: that run alone
// may write the state.
type files struct {
	path string // of the state file; "" keeps no state
	run  string // names this run in the marker

	mu     sync.Mutex // held while the files are looked at, read or written
	seen   sight      // as they were when they were read
	inUse  bool       // by this run: the slot is or was held, or a client was remembered
	opened bool
	marked bool // this run has written the marker
}

// sight is what the files are like at one moment.
type sight struct {
	state  fs.FileInfo // nil if there is none
	marker string      // what the marker says, "" if there is none
}

// equals reports whether nobody has written either file between two sights.
func (s sight) equals(other sight) bool {
	if s.state == nil || other.state == nil {
		return s.state == nil && other.state == nil && s.marker == other.marker
	}
	return s.marker == other.marker && os.SameFile(s.state, other.state) &&
		s.state.ModTime().Equal(other.state.ModTime()) && s.state.Size() == other.state.Size()
}

func (f *files) look() (s sight) {
	if info, err := os.Stat(f.path); err == nil {
		s.state = info
	}
	switch text, err := os.ReadFile(f.marker()); {
	case err == nil && len(text) > 0:
		s.marker = string(text)
	case !errors.Is(err, fs.ErrNotExist):
		s.marker = "unknown" // it is there, and was cut short or cannot be read
	}
	return s
}

// marker is the path of the marker file.
func (f *files) marker() string { return f.path + ".running" }

// mark writes the marker file.
func (f *files) mark() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	host, _ := os.Hostname() // "" where it is not known
	if err := atomicfile.Replace(f.marker(), func(w *bufio.Writer) error {
		_, err := fmt.Fprintf(w, "%s\nprocess %d on host %q\n", f.run, os.Getpid(), host)
		return err
	}); err != nil {
		return err
	}
	f.marked, f.seen = true, f.look()
	return nil
}

// isOurs reports whether the marker is there and was written by this run.
func (f *files) isOurs() bool { return strings.HasPrefix(f.look().marker, f.run) }

// user says which process has written a marker, "another process" if it does not
// say.
func (s sight) user() string {
	if _, user, ok := strings.Cut(s.marker, "\n"); ok {
		return strings.TrimSpace(user)
	}
	return "another process"
}
