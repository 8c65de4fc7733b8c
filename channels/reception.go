package channels

import (
	"encoding/json"
	"sync"
)

// reception is what a channel receives of a private topic as it is in effect
// with the topic's members. What it may receive is in access, which learns it
// from several goroutines; whoever has learnt something has it take effect
// here, one after the other, so that the last thing in effect is what was
// learnt last.
type reception struct {
	mu        sync.Mutex // taken before all other locks: members are called while it is held
	broadcast bool
	presence  bool
}

// begin notes what the join has put into effect, before others know the
// channel.
func (r *reception) begin(known rights) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broadcast, r.presence = known.ReadBroadcast, known.ReadPresence
}

// update has what is known by now take effect: the channel gets what its subject
// may read, and nothing that is sent while it may not. It is false, and changes
// nothing, if the subject may read nothing at all.
func (r *reception) update(c *channel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := c.access.known()
	if !known.ReadBroadcast && !known.ReadPresence {
		return false
	}
	switch {
	case r.broadcast && !known.ReadBroadcast:
		c.member.Listen(false)
		c.bookmark.Bar()
	case !r.broadcast && known.ReadBroadcast:
		c.bookmark.Admit()
		c.member.Listen(!c.access.deaf)
	}
	if known.ReadBroadcast {
		c.bookmark.Allowed(known.readAt)
	}
	if r.presence != known.ReadPresence {
		c.present.Watches(known.ReadPresence)
	}
	r.broadcast, r.presence = known.ReadBroadcast, known.ReadPresence
	return true
}

// track tracks. From the first track on the channel gets the presence of others,
// if it may; that right does not change meanwhile.
func (r *reception) track(c *channel, payload json.RawMessage) (heldBack bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.presence = c.access.known().ReadPresence
	return c.present.Track(payload, c.access.watches())
}
