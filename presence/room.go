package presence

import (
	"encoding/json"
	"sync"
	"time"

	"walcast/protocol"
)

// room is the presence of one topic: the members that watch or track, and what they
// track.
type room struct {
	rooms *Rooms
	topic protocol.Topic

	mu       sync.Mutex
	state    *State   // nil before the first track, if there are no other nodes
	replica  *Replica // has the state in a cluster, else nil
	members  map[*Member]struct{}
	held     map[*Member]struct{} // members with a payload that their rate holds back
	inGrace  []graceEntry         // in the order in which their time ends
	heldSize int                  // how many bytes the held payloads will add to the state
	flushDue bool
	visitors int  // who only look, over HTTP
	ended    bool // it is in Rooms no more
}

func newRoom(r *Rooms, t protocol.Topic) *room {
	in := &room{rooms: r, topic: t, members: map[*Member]struct{}{}, held: map[*Member]struct{}{}}
	if nodes := r.config.Nodes; nodes != nil {
		in.replica = NewReplica(nodes.Hold(t))
		in.state = in.replica.State()
	}
	return in
}

func (r *room) add(m *Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m] = struct{}{}
}

func (r *room) watch(m *Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has(m) {
		r.startWatching(m)
	}
}

func (r *room) unwatch(m *Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has(m) {
		m.watches = false
	}
}

// offer tracks a payload at once, or holds it back until the member's rate permits. A
// later payload replaces one that is held back. An error is a refusal, as the room is
// full.
func (r *room) offer(m *Member, payload json.RawMessage, mayWatch bool, now time.Time) (heldBack bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.has(m) {
		return false, nil
	}
	size := m.sizeOf(payload)
	if r.length()-r.lengthOf(m)+size > roomBytes {
		return false, protocol.RefuseRoomFull
	}
	if mayWatch {
		r.startWatching(m)
	}
	r.hold(m, 0) // the new payload replaces one that was held back
	if payload, ok := m.pace.Offer(now, payload); ok {
		r.track(m, payload)
		return false, nil
	}
	due, _ := m.pace.Due()
	r.hold(m, size)
	r.rooms.flusher.schedule(r, due)
	return true, nil
}

// untrack also ends the grace time of the member's client. It reports whether
// nobody is left.
func (r *room) untrack(m *Member) (empty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has(m) {
		r.drop(m)
	}
	r.endGraceOf(m)
	return r.deserted()
}

// leave takes a member out. It reports whether nobody is left.
func (r *room) leave(m *Member, lingers bool, now time.Time) (empty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lingers {
		r.linger(m, now)
	}
	r.drop(m)
	delete(r.members, m)
	return r.deserted()
}

// attend does what is due by now: it tracks the held payloads whose time has
// come and ends the grace times that are over. It reports whether nobody is
// left.
func (r *room) attend(now time.Time) (empty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.endGrace(now)
	for m := range r.held {
		if payload, ok := m.pace.Take(now); ok {
			r.hold(m, 0)
			r.track(m, payload)
			continue
		}
		due, _ := m.pace.Due()
		next = earlier(next, due)
	}
	if !next.IsZero() {
		r.rooms.flusher.schedule(r, next)
	}
	return r.deserted()
}

// flush tells the members what has changed since the last flush, and other nodes what of
// it has changed here. It returns the number of members.
func (r *room) flush() (members int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushDue = false
	r.send()
	diff := r.state.Flush() // a room that is flushed has one
	if diff.Empty() {
		return len(r.members)
	}
	payload, frames := diff.AppendTo(nil), map[protocol.Version]*protocol.Frame{}
	for m := range r.members {
		if !m.watches {
			continue
		}
		v := m.config.Address.Version
		if frames[v] == nil { // it has no join_ref: it is the same for all
			frames[v] = v.Push("", "", r.topic.Name, protocol.EventPresenceDiff, payload)
		}
		m.config.Outbox.Push(frames[v])
	}
	return len(r.members)
}

// present returns the payload of presence_state to a visitor, who goes. It reports whether
// nobody is left.
func (r *room) present() (payload []byte, empty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.visitors--
	return r.encoded(), r.deserted()
}

// isWatched reports whether somebody is told of changes.
func (r *room) isWatched() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.members {
		if m.watches {
			return true
		}
	}
	return false
}

func (r *room) visit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.visitors++
}

// end ends a room that nobody is in, and tells other nodes who has left last. It is false
// if somebody is.
func (r *room) end() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.deserted() {
		return false
	}
	r.send()
	r.ended = true
	return true
}

// The methods below are called while mu is held.

func (r *room) has(m *Member) bool {
	_, here := r.members[m]
	return here
}

func (r *room) deserted() bool {
	return len(r.members) == 0 && len(r.inGrace) == 0 && r.visitors == 0 && (r.replica == nil || r.replica.Claims() == 0)
}

// startWatching sends a member the state as of the last flush. What has changed since
// is in the next diff, which the member gets like all others.
func (r *room) startWatching(m *Member) {
	if !m.watches {
		m.watches = true
		m.config.Outbox.Push(m.config.Address.PushShared(protocol.EventPresenceState, r.encoded()))
	}
}

// encoded returns the payload of presence_state. It is the same bytes until a flush
// with a change.
func (r *room) encoded() []byte {
	if r.state == nil {
		return protocol.EmptyObject
	}
	return r.state.Encoded()
}

// length returns how long the payload of presence_state becomes with the payloads that
// are held back. lengthOf returns the part of it that a new payload of the member
// would replace.
func (r *room) length() int {
	if r.state == nil {
		return r.heldSize
	}
	return r.state.Length() + r.heldSize
}

func (r *room) lengthOf(m *Member) int {
	if r.state == nil {
		return m.heldSize
	}
	return r.state.LengthOf(m.id) + m.heldSize
}

// hold records the size of the payload that is held back for a member; 0 is none.
func (r *room) hold(m *Member, size int) {
	r.heldSize += size - m.heldSize
	if m.heldSize = size; size > 0 {
		r.held[m] = struct{}{}
		return
	}
	delete(r.held, m)
}

// track applies a payload.
func (r *room) track(m *Member, payload json.RawMessage) {
	if r.state == nil {
		r.state = NewState()
	}
	if !m.tracks {
		m.tracks = true
		r.reclaim(m, payload)
	}
	_ = r.put(m, payload) // a payload that is no object changes nothing
	r.tell()
}

// drop takes what a member tracks out of the state.
func (r *room) drop(m *Member) {
	m.pace.Clear()
	r.hold(m, 0)
	if m.tracks {
		m.tracks = false
		r.takeOut(m.id)
		r.tell()
	}
}

// tell has the room flushed soon if something has changed.
func (r *room) tell() {
	if !r.flushDue && (r.state.Pending() || r.replica != nil && r.replica.Unsent()) {
		r.flushDue = true
		r.rooms.flusher.flushSoon(r)
	}
}
