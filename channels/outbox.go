package channels

import (
	"context"
	"sync"
	"sync/atomic"

	"walcast/protocol"
)

// outbox takes the frames of one channel to its session's queue. It is closed
// at first: what is pushed between the registration of a channel and the reply
// to its join waits, and is sent after the reply. It is safe for concurrent
// use.
type outbox struct {
	session  *Session
	isOpen   atomic.Bool
	deferral *deferral // of a join whose reply waits; set before others know the channel

	mu      sync.Mutex
	waiting []*protocol.Frame // until it is open
	bytes   int               // of these
	limit   int               // of bytes, 0 for no limit
	opened  chan struct{}     // closed when it is open, or when it is clear that it never will be
}

// waitingLimit bounds what waits for the reply to a join while stored messages
// are read for a replay, or its bindings are checked, which may take seconds.
// Other joins are answered without asking anything after they are registered,
// and only what they bring themselves waits.
const waitingLimit = 4 << 20

func newOutbox(s *Session) *outbox { return &outbox{session: s, opened: make(chan struct{})} }

// Push queues a frame, or has it wait for the reply. It never blocks.
func (o *outbox) Push(f *protocol.Frame) {
	if o.isOpen.Load() || !o.wait(f) {
		o.session.out.Push(f)
	}
}

// wait keeps a frame until the outbox is open. It is false if the outbox was
// opened meanwhile.
func (o *outbox) wait(f *protocol.Frame) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.isOpen.Load() {
		return false
	}
	o.bytes += f.Size()
	if o.limit > 0 && o.bytes > o.limit {
		o.waiting = nil // the join will be refused
		return true
	}
	o.waiting = append(o.waiting, f)
	return true
}

// bound lets at most limit bytes wait while f runs. It is false if more came:
// then frames are lost, and the outbox must not be opened.
func (o *outbox) bound(limit int, f func()) bool {
	o.setLimit(limit)
	f()
	return o.setLimit(0)
}

// setLimit sets a limit, 0 for none. It is false if the limit before was
// exceeded.
func (o *outbox) setLimit(limit int) (held bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	held = o.limit == 0 || o.bytes <= o.limit
	o.limit = limit
	return held
}

// open queues the reply to the join and what has waited for it. Later frames
// are queued at once.
func (o *outbox) open(reply *protocol.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.session.out.Push(reply)
	for _, f := range o.waiting {
		o.session.out.Push(f)
	}
	o.waiting = nil
	o.isOpen.Store(true)
	close(o.opened)
}

// discard drops what waits, as the join is refused and the outbox will not be
// opened.
func (o *outbox) discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = nil
	close(o.opened)
}

// roomy is an Outbox that says when there is room for more.
type roomy interface {
	// Room waits until size more bytes fit easily, the session ends or ctx is done.
	Room(ctx context.Context, size int)
}

// Room waits until the reply to the join is queued, so that a catch-up does not
// pile up frames that wait for it, and until the session's queue has room for
// about size more bytes.
func (o *outbox) Room(ctx context.Context, size int) {
	if !o.isOpen.Load() {
		select {
		case <-o.opened:
		case <-ctx.Done():
			return
		}
	}
	if out, ok := o.session.out.(roomy); ok {
		out.Room(ctx, size)
	}
}
