package resume

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// marker is the path of the marker file. It is beside the state file while a
// server runs, so that the next start notices a run that ended without Save.
func (c *Clients) marker() string { return c.config.StateFile + ".running" }

// isMarked reports whether a marker file was left behind.
func (c *Clients) isMarked() bool {
	_, err := os.Stat(c.marker())
	return !errors.Is(err, fs.ErrNotExist)
}

// mark writes the marker file.
func (c *Clients) mark() error {
	if err := os.MkdirAll(filepath.Dir(c.config.StateFile), 0o700); err != nil {
		return err
	}
	if err := replaceFile(c.marker(), func(w *bufio.Writer) error {
		_, err := w.WriteString(c.run)
		return err
	}); err != nil {
		return err
	}
	c.marked = true
	return nil
}

// unmark removes the marker file, unless another run has written it by now.
func (c *Clients) unmark() error {
	if run, err := os.ReadFile(c.marker()); err != nil || string(run) != c.run {
		return err
	}
	return os.Remove(c.marker())
}

// replaceFile replaces a file with what write writes, whole or not at all.
func replaceFile(path string, write func(*bufio.Writer) error) (err error) {
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
