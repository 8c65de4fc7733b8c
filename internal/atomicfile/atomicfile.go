// Package atomicfile replaces files whole or not at all: whoever reads one while it is
// written, or after a crash, finds the old content or the new.
//
// Neighbours: channels/resume and policy, which keep state over restarts.
package atomicfile

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
)

// Replace replaces a file with what write writes. Only its owner may read it.
func Replace(path string, write func(*bufio.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Sync()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return f.Close()
}
