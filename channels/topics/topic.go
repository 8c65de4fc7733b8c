package topics

import (
	"sync"
	"time"

	"walcast/protocol"
)

// topic is a topic with the channels that have joined it.
type topic struct {
	key  protocol.Topic
	past *Past

	mu      sync.Mutex
	members map[*Member]struct{}
	ended   bool // it is not in Topics any more
}

// with calls do while t.mu is held. It is false, and does not call do, if the
// topic has ended.
func (t *topic) with(do func(*topic)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return false
	}
	do(t)
	return true
}

// end ends a topic without members. It is false if there are some, or if it has
// ended before.
func (t *topic) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || len(t.members) > 0 {
		return false
	}
	t.ended = true
	return true
}

// add takes a member in. t.mu must be held.
func (t *topic) add(m *Member) {
	m.topic = t
	t.members[m] = struct{}{}
}

// remove takes a member out. It reports whether it was the last one; it is
// false if the member was out already.
func (t *topic) remove(m *Member) (last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.left {
		return false
	}
	m.left = true
	delete(t.members, m)
	if m.past != nil {
		t.past.leave(m.past, time.Now())
	}
	return len(t.members) == 0
}

// broadcast sends a member's broadcast to the members on all nodes. An error that is a
// protocol.Refusal means that nobody gets it, or that those on other nodes do not.
func (s *Topics) broadcast(sender *Member, c Carried) error {
	t := sender.topic
	parcel, err := s.pack(t.key, c)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.Origin, err = send(parcel)
	t.publish(c, sender)
	return err
}

// publish sends a broadcast to every member here but the sender, which gets it only
// if it asked for its own broadcasts. sender may be nil. t.mu must be held: it keeps the
// order the same for all receivers and in the past.
func (t *topic) publish(c Carried, sender *Member) {
	t.past.note(t.key, c, time.Now())
	built := frames{topic: t.key.Name, broadcast: c.Broadcast}
	for m := range t.members {
		if m != sender || m.config.Self {
			t.deliver(m, built.of(m.config.Address.Version), c.ID)
		}
	}
}

// deliver pushes a frame for a member, unless a replay has brought it or the
// frame is nil. id is the id of a row of realtime.messages, "" for other
// broadcasts. t.mu must be held.
func (t *topic) deliver(m *Member, frame *protocol.Frame, id string) {
	switch {
	case frame == nil || m.deaf || m.left:
	case m.owed != nil:
		m.owed.add(frame, id)
	case m.isNews(id):
		m.config.Outbox.Push(frame)
	}
}

// frames are the frames of one broadcast, built once for each protocol version.
type frames struct {
	topic     string // with the prefix "realtime:"
	broadcast protocol.Broadcast
	built     map[protocol.Version]*protocol.Frame
}

// of is the frame for a version, nil if the version cannot carry the broadcast.
func (f *frames) of(v protocol.Version) *protocol.Frame {
	frame, built := f.built[v]
	if !built {
		frame = v.Broadcast(f.topic, f.broadcast)
		if f.built == nil {
			f.built = map[protocol.Version]*protocol.Frame{}
		}
		f.built[v] = frame
	}
	return frame
}
