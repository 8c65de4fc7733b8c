package channels

import (
	"context"
	"sync"
	"sync/atomic"

	"walcast/protocol"
)

// outbox takes the frames of one channel to its session's queue. It is closed at
// first: what arrives between the registration of a channel and the reply to its
// join is kept, and follows the reply. It is safe for concurrent use.
type outbox struct {
	session *Session
	isOpen  atomic.Bool

	mu   sync.Mutex
	kept []*protocol.Frame // until open; nothing is asked of others meanwhile, so they are few
}

// Push queues a frame, or keeps it for after the reply. It never blocks.
func (o *outbox) Push(f *protocol.Frame) {
	if o.isOpen.Load() || !o.keep(f) {
		o.session.out.Push(f)
	}
}

// keep is false when the outbox was opened meanwhile.
func (o *outbox) keep(f *protocol.Frame) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.isOpen.Load() {
		return false
	}
	o.kept = append(o.kept, f)
	return true
}

// open queues the reply to the join and what was kept meanwhile. From then on
// frames pass.
func (o *outbox) open(reply *protocol.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.session.out.Push(reply)
	for _, f := range o.kept {
		o.session.out.Push(f)
	}
	o.kept = nil
	o.isOpen.Store(true)
}

// roomy is an Outbox that says when there is room for more.
type roomy interface {
	// Room waits until size more bytes fit easily, the session ends or ctx is done.
	Room(ctx context.Context, size int)
}

// Room waits until the session's queue has room for about size more bytes.
func (o *outbox) Room(ctx context.Context, size int) {
	if out, ok := o.session.out.(roomy); ok {
		out.Room(ctx, size)
	}
}
