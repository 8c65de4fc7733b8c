package presence

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// Nodes are the other nodes of a cluster, as rooms see them. But for Settled, their
// methods are called while locks are held, and never wait.
type Nodes interface {
	// Hold has deltas of a topic come from other nodes, until Release. It returns the number
	// of the newest delta that this node has sent, whatever its topic.
	Hold(t protocol.Topic) (newest uint64)
	Release(t protocol.Topic)
	// Send numbers a delta and has it sent to the nodes with members of the topic. It may be
	// lost.
	Send(t protocol.Topic, d Delta) (seq uint64)
	// Settled is closed once all that other nodes have of a topic that is held has come, as
	// far as that can be known.
	Settled(t protocol.Topic) <-chan struct{}
}

// handOver is how long a node lists what a client has taken along to another one: by then
// all know that it is there.
const handOver = time.Second

// settle waits until what other nodes have of a room's topic is here, but not for long. Who
// comes first is not told what has come as a change.
func (r *Rooms) settle(ctx context.Context, in *room) {
	if nodes.Settle(ctx, r.config.Nodes.Settled(in.topic)) || !in.isWatched() {
		in.flush()
	}
}

// Apply takes a delta of another node. It reports behind when a Whole of that node is
// needed. A topic that nobody is in here needs none.
func (r *Rooms) Apply(t protocol.Topic, node NodeID, d Delta) (behind bool) {
	in := r.find(t)
	if in == nil {
		return false
	}
	behind, empty := in.apply(node, d, time.Now())
	if empty {
		r.forget(in)
	}
	return behind
}

// Known is the number up to which everything of a node on a topic has come; ok is false
// if the node is not known there.
func (r *Rooms) Known(t protocol.Topic, node NodeID) (seq uint64, ok bool) {
	in := r.find(t)
	if in == nil {
		return 0, false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.replica.Known(node)
}

// Answer calls give with what this node has of a topic, or with nil if that is no newer
// than what who asks knows. The room is locked meanwhile: what was sent before is in it,
// and what is sent later comes later. has is false if nobody is in the room.
func (r *Rooms) Answer(t protocol.Topic, knows uint64, isKnown bool, give func(whole *Delta)) (has bool) {
	in := r.find(t)
	if in == nil {
		return false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ended {
		return false
	}
	in.send()
	if isKnown && in.replica.Seq() <= knows {
		give(nil)
		return true
	}
	whole := in.replica.Whole()
	give(&whole)
	return true
}

// Drop takes out what a node has told, which is gone.
func (r *Rooms) Drop(node NodeID) {
	for _, in := range r.all() {
		if in.dropNode(node) {
			r.forget(in)
		}
	}
}

func (r *Rooms) all() (rooms []*room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, in := range r.rooms {
		rooms = append(rooms, in)
	}
	return rooms
}

// client names the client of a member among those of its key; 0 if it has no name.
func (m *Member) client() uint32 {
	if m.config.Client == "" || !m.chosen {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(m.config.Client)) // a hash takes everything
	return max(1, h.Sum32())
}

// apply takes a delta of another node. empty reports whether nobody is left, as when all
// that was claimed here has arrived.
func (r *room) apply(node NodeID, d Delta, now time.Time) (behind, empty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.replica.Apply(node, d)
	r.rooms.metrics.leftOut.Add(float64(a.LeftOut))
	for _, ref := range a.Lost {
		r.giveUp(ref, now)
	}
	r.tell()
	return a.Behind, r.deserted()
}

func (r *room) dropNode(node NodeID) (empty bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replica.Drop(node)
	r.tell()
	return r.deserted()
}

// The methods below are called while mu is held.

// send sends other nodes what has changed of this node's part since it was called last.
func (r *room) send() {
	if r.replica == nil {
		return
	}
	if d, ok := r.replica.Take(); ok {
		r.replica.Told(r.rooms.config.Nodes.Send(r.topic, d))
	}
}

// giveUp has what a client has taken along to another node leave here, once all nodes
// know that it is there. If the client is here all the same, as far as this node knows, it
// gets a new ref.
func (r *room) giveUp(ref string, now time.Time) {
	id, ok := r.replica.Tracker(ref)
	if !ok {
		return
	}
	until := now.Add(handOver)
	if i := slices.IndexFunc(r.inGrace, func(e graceEntry) bool { return e.id == id }); i >= 0 {
		if e := r.inGrace[i]; e.key != "" { // else it leaves already
			r.inGrace = slices.Delete(r.inGrace, i, i+1)
			r.await(graceEntry{id: id, until: until, size: e.size})
		}
		return
	}
	for m := range r.members {
		if m.id == id {
			r.renew(m, until)
			return
		}
	}
}

// renew gives what a member tracks a new ref. The old one is listed until a time.
func (r *room) renew(m *Member, until time.Time) {
	meta := r.state.tracked[m.id].meta
	e := graceEntry{id: ChannelID(r.rooms.ids.Add(1)), until: until, size: r.state.Size(m.id)}
	if r.rooms.budget.take(e.size) {
		r.state.Adopt(m.id, e.id)
		r.await(e)
	} else {
		r.replica.Untrack(m.id)
	}
	_ = r.put(m, meta.payload())
}

// await puts an entry among those in their grace time, in the order of its end.
func (r *room) await(e graceEntry) {
	i := len(r.inGrace)
	for i > 0 && r.inGrace[i-1].until.After(e.until) {
		i--
	}
	r.inGrace = slices.Insert(r.inGrace, i, e)
	r.rooms.flusher.schedule(r, e.until)
}

// put sets what a channel of a member tracks.
func (r *room) put(m *Member, payload []byte) error {
	ref := r.rooms.refs.next()
	if r.replica != nil {
		return r.replica.Track(m.id, m.config.Key, payload, ref, m.client())
	}
	return r.state.Track(m.id, m.config.Key, payload, ref)
}

// takeOut takes out what a channel tracks.
func (r *room) takeOut(id ChannelID) {
	if r.replica != nil {
		r.replica.Untrack(id)
		return
	}
	r.state.Untrack(id)
}

// claim has a member take over what its client tracks on another node.
func (r *room) claim(m *Member) bool {
	if r.replica == nil {
		return false
	}
	from, ok := r.replica.Claim(m.id, m.config.Key, m.client())
	if i := slices.IndexFunc(r.inGrace, func(e graceEntry) bool { return ok && e.id == from }); i >= 0 {
		r.removeGrace(i, i+1)
	}
	return ok
}
