package channels

import (
	"context"
	"sync"
	"sync/atomic"

	"walcast/protocol"
)

// outbox takes the frames of one channel to its session's queue. Until the reply
// to the join what the channel's members push waits here, and is sent after the
// reply. The outbox is opened with the reply or discarded, once: if the channel
// ends while its join is answered, the one that comes first counts. It is safe for
// concurrent use.
type outbox struct {
	session  *Session
	isOpen   atomic.Bool
	deferral *deferral // of a join whose reply waits; set before anything knows the channel that may end or check it

	mu      sync.Mutex        // held while the reply is queued, so that what comes later is queued after it
	waiting []*protocol.Frame // until it is open
	bytes   int               // of these
	limit   int               // of bytes, 0 for no limit
	isOver  bool              // it is open, or never will be
	over    chan struct{}     // closed when isOver is set
}

// waitingLimit bounds what waits for the reply to a join while stored messages
// are read for a replay, or its bindings are checked, which may take seconds.
// Other joins are answered without asking anything after they are registered,
// and only what they bring themselves waits.
const waitingLimit = 4 << 20

func newOutbox(s *Session) *outbox { return &outbox{session: s, over: make(chan struct{})} }

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
	if o.isOver {
		return !o.isOpen.Load() // a discarded outbox drops it
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
func (o *outbox) setLimit(limit int) (within bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	within = o.limit == 0 || o.bytes <= o.limit
	o.limit = limit
	return within
}

// open queues the reply to the join, what has waited for it, and what follows.
// Later frames are queued at once. It is false, and queues nothing, if the outbox
// was discarded: the channel has ended.
func (o *outbox) open(reply *protocol.Frame, following ...*protocol.Frame) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.isOver {
		return false
	}
	o.session.out.Push(reply)
	for _, frames := range [][]*protocol.Frame{o.waiting, following} {
		for _, f := range frames {
			o.session.out.Push(f)
		}
	}
	o.isOpen.Store(true)
	o.end()
	return true
}

// discard drops what waits, as the join is refused or its channel has ended. It
// changes nothing if the outbox is open: then all that waited is queued.
func (o *outbox) discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.isOver {
		o.end()
	}
}

// end is the end of waiting. o.mu must be held.
func (o *outbox) end() {
	o.waiting, o.isOver = nil, true
	close(o.over)
}

// roomy is an Outbox that says when there is room for more, and when never again.
type roomy interface {
	// Room waits until size more bytes fit easily, the session ends or ctx is done.
	Room(ctx context.Context, size int)
	// Ending reports whether the session ends, so that nothing reaches it any more.
	Ending() bool
}

// Room waits until the reply to the join is queued, so that a catch-up does not
// pile up frames that wait for it, and until the session's queue has room for
// about size more bytes.
func (o *outbox) Room(ctx context.Context, size int) {
	if !o.isOpen.Load() {
		select {
		case <-o.over:
		case <-ctx.Done():
			return
		}
	}
	if out, ok := o.session.out.(roomy); ok {
		out.Room(ctx, size)
	}
}

// Ending reports whether the session ends, so that no frame need be built for it.
func (o *outbox) Ending() bool {
	out, ok := o.session.out.(roomy)
	return ok && out.Ending()
}
