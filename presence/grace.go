package presence

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// graceEntry is what a member tracks that is in its grace time: its socket
// ended, and everybody takes it for present.
type graceEntry struct {
	id     ChannelID
	key    string
	client string // client_id, "" for none
	until  time.Time
	size   int // in bytes
}

// What members in their grace time may take up, of all rooms. A member beyond
// it leaves at once.
const (
	graceMembers = 10_000
	graceBytes   = 32 << 20
)

// graceBudget counts what members in their grace time take up.
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

// linger begins the grace time of a member that tracks under a key that its
// client can come back with.
func (r *room) linger(m *Member, now time.Time) {
	grace := r.rooms.config.Grace
	if grace == 0 || !m.chosen {
		return
	}
	if due, holding := m.pace.Due(); holding { // what it tracked last, though above its rate
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
	r.inGrace = append(r.inGrace, e)
	r.rooms.flusher.schedule(r, e.until)
}

// reclaim gives a member that tracks for the first time what it tracked before
// its socket ended, so that nobody sees a change.
func (r *room) reclaim(m *Member, payload json.RawMessage) {
	if i := r.graceOf(m, payload); i >= 0 {
		r.state.Adopt(r.inGrace[i].id, m.id)
		r.removeGrace(i, i+1)
	}
}

// graceOf finds the member's own entry among those of its key, -1 for none:
// that of the same client, or one that tracks the same, or one of a client that
// is not known by a client_id. One key may have many, such as the tabs of one browser.
func (r *room) graceOf(m *Member, payload json.RawMessage) int {
	client, best, rank := m.config.Client, -1, 0
	for i, e := range r.inGrace {
		switch {
		case e.key != m.config.Key:
		case client != "" && e.client == client:
			return i
		case rank < 2 && r.state.Tracks(e.id, payload):
			best, rank = i, 2
		case rank < 1 && (client == "" || e.client == ""):
			best, rank = i, 1
		}
	}
	return best
}

// endGraceOf ends the grace time of a member's client, which is back and leaves
// or does not want to be present any more.
func (r *room) endGraceOf(m *Member) {
	client := m.config.Client
	if client == "" {
		return
	}
	i := slices.IndexFunc(r.inGrace, func(e graceEntry) bool { return e.key == m.config.Key && e.client == client })
	if i >= 0 {
		r.state.Untrack(r.inGrace[i].id)
		r.removeGrace(i, i+1)
		r.tell()
	}
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
			r.state.Untrack(e.id)
		}
		r.removeGrace(0, over)
		r.tell()
	}
	if len(r.inGrace) == 0 {
		return time.Time{}
	}
	return r.inGrace[0].until
}

// removeGrace takes out the entries from i to j, whose members are back or gone.
func (r *room) removeGrace(i, j int) {
	for _, e := range r.inGrace[i:j] {
		r.rooms.budget.giveBack(e.size)
	}
	r.inGrace = slices.Delete(r.inGrace, i, j)
}
