package resume

import (
	"encoding/json"
	"slices"
	"time"

	"walcast/internal/nodes"
	"walcast/replication/changelog"
)

// copiesSection keeps over a restart what other nodes have told: they may be gone when
// this one is up again.
type copiesSection struct{ c *Clients }

// savedCopies is a line of it: so many clients, each as Told.Append has it.
type savedCopies struct {
	At      time.Time
	Clients []byte
}

func (copiesSection) Name() string { return "Copies" }

func (s copiesSection) Save(write func(v any) error) error {
	for _, line := range s.lines(time.Now()) {
		if err := write(line); err != nil {
			return err
		}
	}
	return nil
}

func (s copiesSection) lines(now time.Time) (lines []savedCopies) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	var all []*copied
	for _, t := range s.c.records.nodes.all() {
		all = append(all, t)
	}
	for some := range slices.Chunk(all, announceLimit) {
		line := savedCopies{At: now}
		for _, t := range some {
			told := t.told(now)
			// Histories are named anew after a restart: the system has to do.
			told.Quiet, told.Old = false, max(0, now.Sub(t.at))
			told.Proven.History = changelog.History{System: told.Proven.History.System}
			line.Clients = told.Append(line.Clients)
		}
		lines = append(lines, line)
	}
	return lines
}

func (s copiesSection) Restore(text json.RawMessage) error {
	var line savedCopies
	if err := json.Unmarshal(text, &line); err != nil {
		return err
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for r := (nodes.Reader{Rest: line.Clients}); len(r.Rest) > 0; {
		t := ReadTold(&r)
		if r.Err != nil {
			return r.Err
		}
		s.c.learn(&t, line.At)
	}
	return nil
}

// What is old does no harm, so it is kept whatever has happened since.
func (copiesSection) Restored() {}

func (copiesSection) Clear() {}

func (copiesSection) Reset() {}
