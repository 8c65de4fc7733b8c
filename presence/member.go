package presence

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"walcast/protocol"
)

// Outbox is all that presence needs to know of a channel.
type Outbox interface {
	// Push queues a frame. It never blocks.
	Push(*protocol.Frame)
}

// MemberConfig is what a channel says of itself when it joins.
type MemberConfig struct {
	// Key is under which key it is present. "" generates one, which its client
	// does not know and so cannot come back with.
	Key string
	// Watches is whether it is to get presence_state and presence_diff.
	Watches bool
	// Client is its client_id, "" for none.
	Client  string
	Address protocol.Address
	Outbox  Outbox
}

// Member is a channel's part in the presence of its topic.
type Member struct {
	rooms   *Rooms
	topic   protocol.Topic
	id      ChannelID
	config  MemberConfig
	chosen  bool // the client named the key
	keySize int  // of the key as the state has it

	// Guarded by the lock of Rooms.
	room *room // nil while it neither watches nor tracks
	left bool

	// Guarded by the lock of its room.
	watches  bool
	tracks   bool
	pace     Conflator[json.RawMessage]
	heldSize int // what the payload that it holds back will take in the state
}

const (
	// memberBytes is how large a payload may be, and roomBytes how long the
	// payload of presence_state may become: a queue of the default size has room
	// for it, as for other frames.
	memberBytes = 64 << 10
	roomBytes   = 2 << 20
	// metaOverhead is more than what a key and a meta have in the state beside
	// the key and the payload.
	metaOverhead = 150
)

// sizeOf is no less than what a payload takes in the state.
func (m *Member) sizeOf(payload json.RawMessage) int {
	return len(payload) + m.keySize + metaOverhead
}

// Member returns a member of the topic's room. It is in the room only from the
// time on when it settles, watches or tracks.
func (r *Rooms) Member(t protocol.Topic, c MemberConfig) *Member {
	chosen := c.Key != ""
	if !chosen {
		c.Key = uuid.NewString()
	}
	return &Member{
		rooms: r, topic: t, id: ChannelID(r.ids.Add(1)), config: c, chosen: chosen, keySize: len(appendQuoted(nil, c.Key)),
		pace: NewConflator[json.RawMessage](r.config.Rate),
	}
}

// Settle has a member that watches wait until what other nodes have of the topic is here,
// but not for long. Nothing is pushed to it before Watches.
func (m *Member) Settle(ctx context.Context) {
	if !m.config.Watches || m.rooms.config.Nodes == nil {
		return
	}
	if in := m.rooms.enter(m); in != nil {
		m.rooms.settle(ctx, in)
	}
}

// Watches sets whether the member is told the presence of others, as when what it may read
// has changed: it is sent what there is, and then told of every change. It is not due before
// frames may be pushed.
func (m *Member) Watches(watches bool) {
	if !watches {
		if in := m.rooms.find(m.topic); in != nil {
			in.unwatch(m)
		}
		return
	}
	if in := m.rooms.enter(m); in != nil {
		in.watch(m)
	}
}

// Track sets what the member tracks: a JSON object, or nothing for an empty one. A
// member that tracks takes part, so it watches from now on if it may. A payload
// above the rate is held back until its time comes, or a later one replaces it. An
// error is a protocol.Refusal: there is no room for the payload, and what was
// tracked before stays.
func (m *Member) Track(payload json.RawMessage, mayWatch bool) (heldBack bool, err error) {
	if len(payload) > memberBytes {
		return false, protocol.RefuseTrackTooLarge
	}
	in := m.rooms.enter(m)
	if in == nil {
		return false, nil
	}
	if heldBack, err = in.offer(m, payload, mayWatch, time.Now()); err != nil {
		m.rooms.metrics.refused.Inc()
	}
	return heldBack, err
}

// Untrack takes out what the member tracks, and what the same client tracked
// under the same key before its socket ended: it does not want to be present.
func (m *Member) Untrack() {
	in := m.rooms.find(m.topic)
	if in != nil && in.untrack(m) {
		m.rooms.forget(in)
	}
}

// Leave takes the member out for good. What it tracks goes with it, or after
// its grace time if it lingers: its client has not left, but lost its socket.
func (m *Member) Leave(lingers bool) {
	in := m.rooms.exit(m)
	if in != nil && in.leave(m, lingers, time.Now()) {
		m.rooms.forget(in)
	}
}
