package gateway

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/protocol"
)

// queue holds what a session has still to send, bounded in bytes. Any goroutine
// may push; one writer at a time takes, and exists only while there is
// something to take.
type queue struct {
	limit int
	shed  prometheus.Counter // nil never drops broadcasts; otherwise counts those dropped

	// ending is set with the close frame, after which nothing is queued. It is
	// read without the lock by those who choose a deadline.
	ending atomic.Bool

	mu      sync.Mutex
	frames  []*protocol.Frame // waiting; those before head are nil
	head    int
	bytes   int             // of the waiting frames and of the batch that is being written
	large   *protocol.Frame // one of these that does not count, nil if there is none
	casts   int             // broadcasts among the waiting frames, counted where they may be dropped
	writing bool
	dead    bool          // nothing is sent any more
	idle    chan struct{} // made by wait, closed when no writer is left
	less    chan struct{} // made by room, closed when there is less in the queue, or it ends
	cause   string        // why the session ends: the first who says so
}

// retained is the capacity of the frame list that an idle session may keep.
const retained = 8

// pushed is what became of a frame.
type pushed uint8

const (
	pushedQueued  pushed = iota // a writer is on its way
	pushedStart                 // the caller must start the writer
	pushedFull                  // no room: the caller must end the session
	pushedIgnored               // the session is ending
	pushedDropped               // a broadcast that found no room, and may be dropped
)

// push queues a frame. A large one is taken whatever its size, and does not count
// while it is the only one: what a client must have, such as who is present, may
// be larger than the limit, and the frames around it must not end the session.
func (q *queue) push(f *protocol.Frame) pushed {
	size := len(f.Wire())
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dead || q.ending.Load() {
		return pushedIgnored
	}
	if q.full(size) && q.shed != nil {
		q.dropBroadcasts()
		if f.Broadcast && q.full(size) {
			q.shed.Inc()
			return pushedDropped
		}
	}
	if q.full(size) {
		return pushedFull
	}
	return q.add(f, size)
}

func (q *queue) full(size int) bool {
	return q.bytes > 0 && q.counted()+size > q.limit && !q.mayExcuse(size)
}

func (q *queue) counted() int {
	if q.large == nil {
		return q.bytes
	}
	return q.bytes - len(q.large.Wire())
}

// mayExcuse reports whether a frame of size bytes need not count.
func (q *queue) mayExcuse(size int) bool { return q.large == nil && size > q.limit/2 }

// forget is told of frames that leave.
func (q *queue) forget(frames []*protocol.Frame) {
	if q.large != nil && slices.Contains(frames, q.large) {
		q.large = nil
	}
}

// dropBroadcasts makes room: all that wait at once, so that it is not done again
// until the queue has filled again.
func (q *queue) dropBroadcasts() {
	if q.casts == 0 {
		return
	}
	kept := q.frames[:0]
	for _, f := range q.frames[q.head:] {
		if f.Broadcast {
			q.bytes -= len(f.Wire())
			q.forget([]*protocol.Frame{f})
			continue
		}
		kept = append(kept, f)
	}
	clear(q.frames[len(kept):])
	q.frames, q.head = kept, 0
	q.shed.Add(float64(q.casts))
	q.casts = 0
}

func (q *queue) add(f *protocol.Frame, size int) pushed {
	if f.Broadcast && q.shed != nil {
		q.casts++
	}
	if q.mayExcuse(size) {
		q.large = f
	}
	q.frames = append(q.frames, f)
	q.bytes += size
	if q.writing {
		return pushedQueued
	}
	q.writing = true
	return pushedStart
}

// end queues a close frame as the last one; with drop, what still waits is
// thrown away. Only the first call has an effect; the others are ignored.
func (q *queue) end(cause string, f *protocol.Frame, drop bool) pushed {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dead || q.ending.Load() {
		return pushedIgnored
	}
	q.ending.Store(true)
	q.cause = cause
	q.tellLess()
	if drop {
		q.clear()
	}
	return q.add(f, len(f.Wire()))
}

func (q *queue) clear() {
	for _, f := range q.frames[q.head:] {
		q.bytes -= len(f.Wire())
	}
	q.forget(q.frames[q.head:])
	q.frames, q.head, q.casts = nil, 0, 0
}

// take moves the next frames into the batch and reports whether there are any.
// Without, the writer must return: the queue counts it as gone.
func (q *queue) take(b *batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= b.bytes // written, or in vain
	q.forget(b.frames)
	q.tellLess()
	b.reset()
	for q.head < len(q.frames) && b.fits(q.frames[q.head]) {
		if q.shed != nil && q.frames[q.head].Broadcast {
			q.casts--
		}
		b.add(q.frames[q.head])
		q.frames[q.head] = nil
		q.head++
	}
	q.compact()
	if len(b.frames) > 0 {
		b.last = q.ending.Load() && q.head == len(q.frames)
		return true
	}
	q.writing = false
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
	return false
}

// compact gives back the room of frames that were taken.
func (q *queue) compact() {
	switch {
	case q.head == len(q.frames) && cap(q.frames) > retained:
		q.frames, q.head = nil, 0
	case q.head == len(q.frames):
		q.frames, q.head = q.frames[:0], 0
	case q.head*2 >= len(q.frames):
		n := copy(q.frames, q.frames[q.head:])
		clear(q.frames[n:])
		q.frames, q.head = q.frames[:n], 0
	}
}

// kill drops everything; nothing is taken or queued afterwards. It reports
// whether it was the first, and counts cause if nobody gave one before.
func (q *queue) kill(cause string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead = true
	q.clear()
	q.tellLess()
	if q.cause == "" {
		q.cause = cause
	}
}

// wait blocks until no writer is left. There must be one caller, and no new
// frames: the queue is ending or dead.
func (q *queue) wait() {
	q.mu.Lock()
	if !q.writing {
		q.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	q.idle = idle
	q.mu.Unlock()
	<-idle
}

// room returns what to wait for until there is room for size bytes, nil if there
// is: half of the queue is left for what does not wait.
func (q *queue) room(size int) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dead || q.ending.Load() || q.bytes == 0 || q.counted()+size <= q.limit/2 || q.mayExcuse(size) {
		return nil
	}
	if q.less == nil {
		q.less = make(chan struct{})
	}
	return q.less
}

func (q *queue) tellLess() {
	if q.less != nil {
		close(q.less)
		q.less = nil
	}
}
