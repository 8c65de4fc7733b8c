package channels

import (
	"encoding/json"
	"slices"
	"time"

	"walcast/presence"
)

// ghost is what a channel tracked that ended without a leave. For the grace time
// everybody takes it for present.
type ghost struct {
	id     presence.ChannelID
	key    string
	client string // client_id, "" for none
	until  time.Time
	size   int // in bytes
}

// What ghosts may take up, of all topics. Who is beyond it leaves at once.
const (
	ghostCount = 10_000
	ghostBytes = 32 << 20
)

// linger leaves a ghost behind if the channel tracks under a key that its client
// can come back with. It is called before a channel ends that its client did not
// leave.
func (c *channel) linger() {
	grace := c.session.hub.config.PresenceGrace
	if grace == 0 || c.ended.Load() || !c.member.chosen {
		return
	}
	t := c.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if due, holding := c.member.pace.Due(); holding { // what it tracked last, though above its rate
		payload, _ := c.member.pace.Take(due)
		t.track(c, payload)
	}
	if !c.member.tracks {
		return
	}
	g := ghost{c.member.id, c.member.key, c.session.identity.ClientID, now().Add(grace), t.state.Size(c.member.id)}
	if t.hub.beat.haunt(t, g) {
		c.member.tracks = false
		t.ghosts = append(t.ghosts, g)
	}
}

// embody gives a channel that tracks for the first time what its ghost tracks, so
// that nobody sees a change. Called with t.mu held.
func (t *topic) embody(c *channel, payload json.RawMessage) {
	if i := t.ghostOf(c, payload); i >= 0 {
		t.state.Adopt(t.ghosts[i].id, c.member.id)
		t.bury(i)
	}
}

// ghostOf finds the channel's ghost among those of its key, -1 for none: that of
// the same client, or one that tracks the same, or one of a client that is not
// known by a client_id. One key may have many ghosts, as of somebody's tabs.
func (t *topic) ghostOf(c *channel, payload json.RawMessage) int {
	client, best, rank := c.session.identity.ClientID, -1, 0
	for i, g := range t.ghosts {
		switch {
		case g.key != c.member.key:
		case client != "" && g.client == client:
			return i
		case rank < 2 && t.state.Tracks(g.id, payload):
			best, rank = i, 2
		case rank < 1 && (client == "" || g.client == ""):
			best, rank = i, 1
		}
	}
	return best
}

// dismiss ends the ghost of a channel whose client is back and leaves, or does
// not want to be present any more. Called with t.mu held.
func (t *topic) dismiss(c *channel) {
	client := c.session.identity.ClientID
	if client == "" {
		return
	}
	i := slices.IndexFunc(t.ghosts, func(g ghost) bool { return g.key == c.member.key && g.client == client })
	if i >= 0 {
		t.state.Untrack(t.ghosts[i].id)
		t.bury(i)
		t.tell()
	}
}

// bury takes a ghost out that is somebody again, or gone. Called with t.mu held.
func (t *topic) bury(i int) {
	t.hub.beat.unhaunt(t.ghosts[i])
	t.ghosts = slices.Delete(t.ghosts, i, i+1)
}

// expel ends the ghosts whose time is over, and the topic when nobody is left.
// It says when the next one is due; there is none if haunted is false.
func (h *Hub) expel(t *topic, now time.Time) (due time.Time, haunted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	over := slices.IndexFunc(t.ghosts, func(g ghost) bool { return g.until.After(now) }) // they are in order
	if over < 0 {
		over = len(t.ghosts)
	}
	for _, g := range t.ghosts[:over] {
		t.state.Untrack(g.id)
		h.beat.unhaunt(g)
	}
	if over > 0 {
		t.ghosts = slices.Delete(t.ghosts, 0, over)
		t.tell()
	}
	if len(t.ghosts) > 0 {
		return t.ghosts[0].until, true
	}
	h.forget(t)
	return due, false
}

// haunt has the topic's ghosts expelled in time; false if there are too many.
// Called with t.mu held.
func (b *beat) haunt(t *topic, g ghost) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ghosts == ghostCount || b.ghostBytes+g.size > ghostBytes {
		return false
	}
	b.ghosts++
	b.ghostBytes += g.size
	b.haunted[t] = struct{}{}
	b.rouse()
	return true
}

// unhaunt gives back a ghost's share. Called with its topic's lock held.
func (b *beat) unhaunt(g ghost) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ghosts--
	b.ghostBytes -= g.size
}

// expel ends the ghosts whose time is over and returns how long the next one has.
func (b *beat) expel(now time.Time) time.Duration {
	b.mu.Lock()
	haunted := make([]*topic, 0, len(b.haunted))
	for t := range b.haunted {
		haunted = append(haunted, t)
	}
	clear(b.haunted) // who gets a ghost from here on is entered anew
	b.mu.Unlock()
	next := time.Hour
	for _, t := range haunted {
		due, still := t.hub.expel(t, now)
		if !still {
			continue
		}
		b.mu.Lock()
		b.haunted[t] = struct{}{}
		b.mu.Unlock()
		next = min(next, due.Sub(now))
	}
	return max(next, time.Millisecond)
}
