package fanout

import (
	"context"
	"sync"
	"time"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// Request is what a channel asks for.
type Request struct {
	Address  protocol.Address
	Topic    protocol.Topic
	Legacy   bool // changes come under their operation's name, as old clients have it
	Subject  *policy.Subject
	Bindings []diagnose.Binding
	// After has for each binding the position after which its client wants
	// rows, zero for a binding without one, which starts live. It is for a
	// Named start, where one binding at least has a position.
	After []wal.Position
	// Member gets the messages from SQL, nil for none.
	Member any
	Outbox Outbox
	Turn   *Turn // of the channel's session; required
	// Published is called when the first row comes of the table that Idle
	// bindings wait for.
	Published func(schema, table string)
	// Dedicated says that the bindings cost too much for a lane that many
	// share: the subscription has a delivery of its own.
	Dedicated bool
	// Recognised says that the client has a client_id, and expects to get the
	// messages from SQL that it has missed when it comes back.
	Recognised bool
}

// Outbox is all that a subscription needs to know of its channel. It must be
// safe for concurrent use.
type Outbox interface {
	// Push queues a frame. It never blocks.
	Push(*protocol.Frame)
	// Room waits until size more bytes fit easily, the session ends or ctx is done.
	Room(ctx context.Context, size int)
}

// Turn has the catch-ups of one session send one after the other, as each waits
// for room in the same queue. It also knows what the session's bindings have
// cost. The zero Turn is ready for use.
type Turn struct {
	mu sync.Mutex // held by the catch-up whose turn it is

	cost    sync.Mutex // guards the rest; taken last
	budget  budget
	overlap overlap
}

// spend charges the session for time that Postgres took. It reports whether
// that was too much.
func (t *Turn) spend(now time.Time, took time.Duration, rows int) bool {
	t.cost.Lock()
	defer t.cost.Unlock()
	return t.budget.spend(now, took, rows)
}

// pace calls send when the client has room for about size bytes. Only catch-ups
// use it: they read from memory faster than any socket sends, and would fill
// the queue of every client that comes back, however fast it reads. Live
// changes never wait for a client.
func (r *Request) pace(ctx context.Context, size int, send func()) {
	r.Turn.mu.Lock()
	defer r.Turn.mu.Unlock()
	r.Outbox.Room(ctx, size)
	send()
}
