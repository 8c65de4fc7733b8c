package resume

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"walcast/internal/atomicfile"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// The state file keeps what clients have received from one run to the next. It
// has a line of stateHead, then lines of a JSON object with one key: "Bookmark"
// with a savedRecord, or the name of a Section with what that has written.
//
// The JSON names Blind, Listened and Owed are those that format 1 began with. They
// stay, so that a server reads the file that an older one has left.

// Section is another part of the state file.
type Section interface {
	// Name is the section's key in the lines of the file.
	Name() string
	// Save calls write for each line.
	Save(write func(v any) error) error
	// Restore takes back one line that Save has written, in an earlier run.
	Restore(line json.RawMessage) error
	// Restored is called after the last line.
	Restored()
	// Clear forgets what was restored: a later run than the one that wrote it
	// has ended without Save.
	Clear()
	// Reset forgets it as the file has changed since. What follows is as at the
	// start, but for what this run has done.
	Reset()
}

type stateHead struct {
	Format      int
	UnsureUntil time.Time `json:"Blind"` // as in records
}

const (
	stateFormat     = 1
	bookmarkSection = "Bookmark"
)

// state is what a file has of clients.
type state struct {
	head    stateHead
	records []*record
}

type savedRecord struct {
	Key
	Bindings string
	System   string `json:",omitempty"` // of the history that Position belongs to
	Position string `json:",omitempty"`
	Heard    uint64 `json:"Listened,omitempty"`
	Resync   bool   `json:"Owed,omitempty"`
	Lacks    bool   `json:",omitempty"`
	Left     time.Time
}

// read reads the file. With an error, the state is what was read before it.
func (c *Clients) read() (s state, err error) {
	f, err := os.Open(c.files.path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	lines := json.NewDecoder(bufio.NewReader(f))
	if err := lines.Decode(&s.head); err != nil {
		return s, fmt.Errorf("read head: %w", err)
	}
	if s.head.Format != stateFormat {
		return s, fmt.Errorf("read head: want format %d, got %d", stateFormat, s.head.Format)
	}
	for lines.More() {
		var line map[string]json.RawMessage
		if err := lines.Decode(&line); err != nil {
			return s, fmt.Errorf("read line: %w", err)
		}
		if err := c.readLine(&s, line); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (c *Clients) readLine(s *state, line map[string]json.RawMessage) error {
	if text, ok := line[bookmarkSection]; ok {
		r, err := readRecord(text)
		if err != nil {
			return fmt.Errorf("read bookmark: %w", err)
		}
		s.records = append(s.records, r)
	}
	for _, section := range c.sections {
		if text, ok := line[section.Name()]; ok {
			if err := section.Restore(text); err != nil {
				return fmt.Errorf("read %s: %w", section.Name(), err)
			}
		}
	}
	return nil
}

func readRecord(text json.RawMessage) (*record, error) {
	var saved savedRecord
	if err := json.Unmarshal(text, &saved); err != nil {
		return nil, err
	}
	r := &record{Key: saved.Key, receipt: receipt{heard: saved.Heard}, resync: saved.Resync, lacks: saved.Lacks, left: saved.Left, right: right{allowed: saved.Left}, restored: true}
	if n, err := hex.Decode(r.bindings[:], []byte(saved.Bindings)); err != nil || n != len(r.bindings) {
		return nil, errors.New("its bindings are damaged")
	}
	if saved.Position == "" {
		return r, nil
	}
	position, err := wal.ParsePosition(saved.Position)
	r.proven = changelog.Standing{History: changelog.History{System: saved.System}, Position: position}
	return r, err
}

// write replaces the file.
func (c *Clients) write(head stateHead, saved []savedRecord) error {
	return atomicfile.Replace(c.files.path, func(w *bufio.Writer) error {
		lines := json.NewEncoder(w)
		if err := lines.Encode(head); err != nil {
			return err
		}
		for _, r := range saved {
			if err := lines.Encode(map[string]any{bookmarkSection: r}); err != nil {
				return err
			}
		}
		for _, section := range c.sections {
			if err := section.Save(func(v any) error {
				return lines.Encode(map[string]any{section.Name(): v})
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *record) saved() savedRecord {
	s := savedRecord{Key: r.Key, Bindings: hex.EncodeToString(r.bindings[:]), Heard: r.heard, Resync: r.resync || r.right.barred, Lacks: r.lacks, Left: r.left}
	if !r.proven.Position.IsZero() {
		s.System, s.Position = r.proven.History.System, r.proven.Position.String()
	}
	return s
}
