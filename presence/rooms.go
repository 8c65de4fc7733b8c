package presence

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/protocol"
)

// RoomsConfig is what Rooms can be told.
type RoomsConfig struct {
	// Rate is how often a member's Track takes effect; above it the last one
	// wins. The zero Rate is no limit.
	Rate Rate
	// Grace is how long a member whose socket ended is taken for present, if its
	// client chose its key. A client that is back by then was never away for others. 0
	// tells them at once.
	Grace time.Duration
	// Seed makes the refs of this process differ from those of others. It is
	// random.
	Seed [12]byte
	// Nodes are the other nodes of the cluster; nil without one.
	Nodes Nodes
}

// Rooms is the presence of all topics of a project. It is the shell around
// State: it has the locks, the clock and the one goroutine. It and its Members
// are safe for concurrent use.
//
// Locks are taken in this order: Rooms, a room, what they share. Nodes are called under
// these.
type Rooms struct {
	config  RoomsConfig
	flusher *flusher
	refs    refs
	budget  graceBudget
	metrics *metrics
	ids     atomic.Uint64 // the last ChannelID given

	mu    sync.Mutex // guards rooms, and which room each Member is in
	rooms map[protocol.Topic]*room
}

// NewRooms returns rooms that nobody is in. Members are told of each other only
// while Run runs.
func NewRooms(c RoomsConfig, reg prometheus.Registerer) *Rooms {
	metrics := newMetrics(reg)
	return &Rooms{
		config:  c,
		metrics: metrics,
		flusher: newFlusher(),
		refs:    refs{source: NewRefSource(c.Seed)},
		budget:  graceBudget{metrics: metrics},
		rooms:   map[protocol.Topic]*room{},
	}
}

// Run tells members of each other until ctx is done.
func (r *Rooms) Run(ctx context.Context) error {
	r.flusher.run(ctx)
	return nil
}

// State is the presence of a topic, as the payload of presence_state. If nobody is in its
// room here, it waits for what other nodes have, but not for long.
func (r *Rooms) State(ctx context.Context, t protocol.Topic) []byte {
	if r.config.Nodes == nil && r.find(t) == nil {
		return protocol.EmptyObject
	}
	in := r.visit(t)
	if r.config.Nodes != nil {
		r.settle(ctx, in)
	}
	state, empty := in.present()
	if empty {
		r.forget(in)
	}
	return state
}

// visit has somebody in a room who only looks. The room is made if need be.
func (r *Rooms) visit(t protocol.Topic) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := r.room(t)
	in.visit()
	return in
}

// room returns the topic's room, which is made if need be. r.mu must be held.
func (r *Rooms) room(t protocol.Topic) *room {
	in := r.rooms[t]
	if in == nil {
		in = newRoom(r, t)
		r.rooms[t] = in
	}
	return in
}

// find returns the topic's room, nil if nobody is in it.
func (r *Rooms) find(t protocol.Topic) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rooms[t]
}

// enter has a member in its room, which is made if need be. It is nil if the
// member has left.
func (r *Rooms) enter(m *Member) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.left || m.room != nil {
		return m.room
	}
	in := r.room(m.topic)
	in.add(m)
	m.room = in
	return in
}

// exit sets that a member enters no room any more, and returns the one that it
// is in, nil for none.
func (r *Rooms) exit(m *Member) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	in := m.room
	m.room, m.left = nil, true
	return in
}

// forget takes a room out if nobody is in it, nor in their grace time.
func (r *Rooms) forget(in *room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rooms[in.topic] != in || !in.end() {
		return
	}
	delete(r.rooms, in.topic)
	r.flusher.cancel(in)
	if r.config.Nodes != nil {
		r.config.Nodes.Release(in.topic)
	}
}

// refs gives refs to all rooms.
type refs struct {
	mu     sync.Mutex
	source *RefSource
}

func (r *refs) next() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.source.Next()
}
