package presence

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// graceEntry is a member in its grace time: its socket has ended, and what it tracked
// is still present for all others.
type graceEntry struct {
	id     ChannelID
	key    string
	client string // client_id, "" for none
	until  time.Time
	size   int // in bytes
}

// Bounds of the members in their grace time, in all rooms together. A member beyond
// these leaves at once.
const (
	graceMembers = 10_000
	graceBytes   = 32 << 20
)

// graceBudget counts the members in their grace time, and their memory.
type graceBudget struct {
	metrics *metrics

	mu             sync.Mutex
	members, bytes int
}

// take reports whether there was room for one more.
func (b *graceBudget) take(size int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.members == graceMembers || b.bytes+size > graceBytes {
		return false
	}
	b.members++
	b.bytes += size
	b.metrics.graceMembers.Set(float64(b.members))
	return true
}

func (b *graceBudget) giveBack(size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members--
	b.bytes -= size
	b.metrics.graceMembers.Set(float64(b.members))
}

// The methods below are called while mu is held.

// linger begins the grace time of a member that tracks, if its client knows the key
// and so can come back under it.
func (r *room) linger(m *Member, now time.Time) {
	grace := r.rooms.config.Grace
	if grace == 0 || !m.chosen {
		return
	}
	if due, holding := m.pace.Due(); holding { // the last payload counts, though it came above the rate
		payload, _ := m.pace.Take(due)
		r.hold(m, 0)
		r.track(m, payload)
	}
	if !m.tracks {
		return
	}
	e := graceEntry{m.id, m.config.Key, m.config.Client, now.Add(grace), r.state.Size(m.id)}
	if !r.rooms.budget.take(e.size) {
		return
	}
	m.tracks = false
	r.await(e)
}

// reclaim hands a member that tracks for the first time what the same client tracked
// before its socket ended, so that other clients see no change.
func (r *room) reclaim(m *Member, payload json.RawMessage) {
	i, surely := r.graceOf(m, payload)
	if !surely && r.claim(m) || i < 0 {
		return
	}
	r.state.Adopt(r.inGrace[i].id, m.id)
	r.removeGrace(i, i+1)
}

// graceOf returns the index of the member's own entry, or -1. A key may have several
// entries, such as those of one browser's tabs. The entry with the member's client_id
// is its own; without one it is an entry that tracks the same payload, else one of
// which either client_id is unknown. surely says that it was found by its client_id.
func (r *room) graceOf(m *Member, payload json.RawMessage) (best int, surely bool) {
	client, best, rank := m.config.Client, -1, 0
	for i, e := range r.inGrace {
		switch {
		case e.key != m.config.Key:
		case client != "" && e.client == client:
			return i, true
		case rank < 2 && r.state.Tracks(e.id, payload):
			best, rank = i, 2
		case rank < 1 && (client == "" || e.client == ""):
			best, rank = i, 1
		}
	}
	return best, false
}

// endGraceOf ends the grace time of a member's client, when the client is back and
// leaves or untracks.
func (r *room) endGraceOf(m *Member) {
	client := m.config.Client
	if client == "" {
		return
	}
	i := slices.IndexFunc(r.inGrace, func(e graceEntry) bool { return e.key == m.config.Key && e.client == client })
	switch {
	case i >= 0:
		r.takeOut(r.inGrace[i].id)
		r.removeGrace(i, i+1)
	case r.claim(m): // on another node
		r.takeOut(m.id)
	default:
		return
	}
	r.tell()
}

// endGrace ends the grace times that are over and returns when the next one
// ends, zero if there is none.
func (r *room) endGrace(now time.Time) (next time.Time) {
	over := slices.IndexFunc(r.inGrace, func(e graceEntry) bool { return e.until.After(now) })
	if over < 0 {
		over = len(r.inGrace)
	}
	if over > 0 {
		for _, e := range r.inGrace[:over] {
			r.takeOut(e.id)
		}
		r.removeGrace(0, over)
		r.tell()
	}
	if len(r.inGrace) == 0 {
		return time.Time{}
	}
	return r.inGrace[0].until
}

// removeGrace removes the entries from i up to j.
func (r *room) removeGrace(i, j int) {
	for _, e := range r.inGrace[i:j] {
		r.rooms.budget.giveBack(e.size)
	}
	r.inGrace = slices.Delete(r.inGrace, i, j)
}
