package channels

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// The state file keeps what clients have received from one run to the next. It
// is written at a stop. A marker beside it is there while a server runs, so that
// the next start sees an end without a stop, after which clients that are not
// known may have been here all the same.

// savedState is the first line of the state file; a savedLine each follow.
type savedState struct {
	Format int
	Blind  time.Time // see bookmarks.blind
}

const stateFormat = 1

// savedLine is one of the two.
type savedLine struct {
	Bookmark *savedBookmark `json:",omitempty"`
	Past     *savedPast     `json:",omitempty"`
}

type savedBookmark struct {
	bookmarkKey
	Bindings string
	System   string `json:",omitempty"` // of the history
	Position string `json:",omitempty"`
	Listened uint64 `json:",omitempty"`
	Owed     bool   `json:",omitempty"`
	Left     time.Time
}

// restore reads what the run before has left, and sets the marker. Whatever goes
// wrong is logged: clients that cannot be recognised then are told so.
func (c *clients) restore(now time.Time, logger *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	blind := now.Add(c.known.keep)
	if c.path == "" {
		c.virgin, c.known.blind = true, blind
		return
	}
	_, err := os.Stat(c.marker())
	unclean := !errors.Is(err, fs.ErrNotExist)
	switch err := c.read(now); {
	case errors.Is(err, fs.ErrNotExist) && !unclean:
		c.virgin, unclean = true, true
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		logger.Warn("state of clients not read, they are told to resync", "path", c.path, "err", err)
		unclean = true
	}
	if unclean {
		c.pasts.clear() // what was broadcast since it was saved is missing
	}
	if err := c.mark(); err != nil {
		logger.Warn("state of clients will not outlive this run: the state directory cannot be written", "path", c.path, "err", err)
		unclean = true
	}
	if unclean {
		c.known.blind = blind
	}
	if unclean && !c.virgin {
		logger.Warn("the run before did not stop in order, clients that are not known are told to resync", "until", blind)
	}
}

func (c *clients) marker() string { return c.path + ".running" }

func (c *clients) mark() error {
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	if err := writeFile(c.marker(), func(w *bufio.Writer) error {
		_, err := w.WriteString(c.run)
		return err
	}); err != nil {
		return err
	}
	c.marked = true
	return nil
}

// read fills the bookmarks from the state file.
func (c *clients) read(now time.Time) error {
	f, err := os.Open(c.path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := json.NewDecoder(bufio.NewReader(f))
	var head savedState
	if err := lines.Decode(&head); err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	if head.Format != stateFormat {
		return fmt.Errorf("read head: want format %d, got %d", stateFormat, head.Format)
	}
	c.known.blind = head.Blind
	for lines.More() {
		var line savedLine
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("read line: %w", err)
		}
		if line.Past != nil {
			if err := c.pasts.restore(*line.Past); err != nil {
				return fmt.Errorf("read past: %w", err)
			}
		}
		if line.Bookmark == nil {
			continue
		}
		b, err := line.Bookmark.bookmark()
		if err != nil {
			return fmt.Errorf("read bookmark: %w", err)
		}
		if c.known.byKey[b.bookmarkKey] == nil {
			c.known.byKey[b.bookmarkKey] = b
			c.known.store(b)
		}
	}
	c.pasts.restored()
	c.known.expire(now)
	c.known.bound(now)
	return nil
}

func (s savedBookmark) bookmark() (*bookmark, error) {
	b := &bookmark{bookmarkKey: s.bookmarkKey, listened: s.Listened, owed: s.Owed, left: s.Left, kept: true}
	if n, err := hex.Decode(b.bindings[:], []byte(s.Bindings)); err != nil || n != len(b.bindings) {
		return nil, errors.New("its bindings are damaged")
	}
	if s.Position == "" {
		return b, nil
	}
	position, err := wal.ParsePosition(s.Position)
	b.proven = changelog.Standing{History: changelog.History{System: s.System}, Position: position}
	return b, err
}

func (b *bookmark) saved() savedBookmark {
	s := savedBookmark{bookmarkKey: b.bookmarkKey, Bindings: hex.EncodeToString(b.bindings[:]), Listened: b.listened, Owed: b.owed, Left: b.left}
	if !b.proven.Position.IsZero() {
		s.System, s.Position = b.proven.History.System, b.proven.Position.String()
	}
	return s
}

// save writes the state file and takes the marker away.
func (c *clients) save(now time.Time, logger *slog.Logger) {
	isNew := c.log.Reason() == changelog.CodeSlotMissing
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.marked {
		return
	}
	if c.virgin && isNew {
		c.known.blind = time.Time{}
	}
	for _, b := range c.known.byKey {
		if b.owner != nil { // its session has not ended in time
			b.owner, b.left = nil, now
			c.known.store(b)
		}
	}
	err := writeFile(c.path, c.write)
	if err == nil {
		err = c.unmark()
	}
	if err != nil {
		logger.Error("state of clients not saved, they will be told to resync", "path", c.path, "err", err)
		return
	}
	logger.Info("state of clients saved", "path", c.path, "channels", c.known.away.Len())
}

// unmark takes the marker away, unless it is another run's by now.
func (c *clients) unmark() error {
	if run, err := os.ReadFile(c.marker()); err != nil || string(run) != c.run {
		return err
	}
	return os.Remove(c.marker())
}

func (c *clients) write(w *bufio.Writer) error {
	lines := json.NewEncoder(w)
	if err := lines.Encode(savedState{Format: stateFormat, Blind: c.known.blind}); err != nil {
		return err
	}
	for e := c.known.away.Front(); e != nil; e = e.Next() {
		saved := e.Value.(*bookmark).saved()
		if err := lines.Encode(savedLine{Bookmark: &saved}); err != nil {
			return err
		}
	}
	return c.pasts.save(func(p savedPast) error { return lines.Encode(savedLine{Past: &p}) })
}

// writeFile replaces a file with what write writes, whole or not at all.
func writeFile(path string, write func(*bufio.Writer) error) (err error) {
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
