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
	Topic    Topic
	Legacy   bool // changes come under their operation's name, as old clients have it
	Subject  *policy.Subject
	Bindings []diagnose.Binding
	// After has for each binding the position after which its client wants
	// rows, zero for a binding that names none: it starts live. It is for a Named
	// start, which needs one at least.
	After []wal.Position
	// Member is what messages from SQL are delivered to, nil for none.
	Member any
	Outbox Outbox
	Turn   *Turn // of the session; required
	// Published is called when the first row comes of the table that bindings
	// are idle for.
	Published func(schema, table string)
	// Apart says that the bindings cost too much for a lane that others share.
	Apart bool
	// Recognised says that the client has a client_id, so that it counts on
	// messages from SQL over reconnects.
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

// Turn has the catch-ups of one session send one after the other: each waits for
// room, and all would use the same. It also knows what the session's bindings have
// cost. The zero Turn is ready for use.
type Turn struct {
	mu sync.Mutex

	cost   sync.Mutex // taken last
	budget budget
	crowd  crowd
}

// spend has the session pay for time that Postgres took. It reports whether that
// was too much.
func (t *Turn) spend(now time.Time, took time.Duration, rows int) bool {
	t.cost.Lock()
	defer t.cost.Unlock()
	return t.budget.spend(now, took, rows)
}

// pace calls send when the client has room for about size bytes. Catch-ups come
// this way: they read what is in memory faster than any socket takes it, and
// would fill the queue of a client that is not slow at all, each time that it
// comes back. What is live does not wait for anybody.
func (r *Request) pace(ctx context.Context, size int, send func()) {
	r.Turn.mu.Lock()
	defer r.Turn.mu.Unlock()
	r.Outbox.Room(ctx, size)
	send()
}
