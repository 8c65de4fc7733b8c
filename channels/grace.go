package channels

import (
	"slices"
	"time"

	"walcast/presence"
)

// ghost is what a channel tracked whose socket ended without a leave. For the
// grace time everybody takes it for present.
type ghost struct {
	id    presence.ChannelID
	key   string
	until time.Time
}

// linger leaves a ghost behind if the channel tracks under a key that its client
// can come back with. It is called before the channel ends with its socket.
func (c *channel) linger() {
	grace := c.session.hub.config.PresenceGrace
	if grace == 0 || c.ended.Load() || !c.member.chosen {
		return
	}
	t := c.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if !c.member.tracks {
		return
	}
	c.member.tracks = false
	t.ghosts = append(t.ghosts, ghost{c.member.id, c.member.key, now().Add(grace)})
	t.hub.beat.haunt(t)
}

// embody gives a channel that tracks for the first time what a ghost of its key
// tracks, so that nobody sees a change. Called with t.mu held.
func (t *topic) embody(c *channel) {
	i := slices.IndexFunc(t.ghosts, func(g ghost) bool { return g.key == c.member.key })
	if i < 0 {
		return
	}
	t.state.Adopt(t.ghosts[i].id, c.member.id)
	t.ghosts = slices.Delete(t.ghosts, i, i+1)
}

// expel ends the ghosts whose time is over, and the topic when nobody is left.
// It says when the next one is due; there is none if haunted is false.
func (h *Hub) expel(t *topic, now time.Time) (due time.Time, haunted bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.ghosts) > 0 && !t.ghosts[0].until.After(now) { // they are in order
		t.state.Untrack(t.ghosts[0].id)
		t.ghosts = t.ghosts[1:]
		t.tell()
	}
	if len(t.ghosts) > 0 {
		return t.ghosts[0].until, true
	}
	h.forget(t)
	return due, false
}

// haunt has the topic's ghosts expelled in time. Called with t.mu held.
func (b *beat) haunt(t *topic) {
	b.mu.Lock()
	b.haunted[t] = struct{}{}
	b.mu.Unlock()
	b.rouse()
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
