package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/protocol"
)

// queue holds what a session has still to send, bounded in bytes. Any goroutine
// may push; one writer at a time takes, and exists only while there is
// something to take.
type queue struct {
	limit   int
	dropped prometheus.Counter // nil never drops broadcasts; otherwise counts those dropped

	// ending is set with the close frame, after which nothing is queued. transport
	// reads it without the lock when it chooses a deadline.
	ending atomic.Bool

	mu      sync.Mutex
	pending pending
	held    bool // there is no connection yet to write to: begin ends that
	writing bool
	dead    bool          // nothing is sent any more
	idle    chan struct{} // made by wait, closed when no writer is left
	freed   chan struct{} // made by room, closed when there is less in the queue, or it ends
	cause   string        // why the session ends: the first that was given
}

// pushed is what became of a frame.
type pushed uint8

const (
	pushedQueued  pushed = iota // a writer is on its way
	pushedStart                 // the caller must start the writer
	pushedHeld                  // it waits for the connection: the caller of begin starts the writer
	pushedFull                  // no room: the caller must end the session
	pushedIgnored               // the session is ending
	pushedDropped               // a broadcast that found no room, and may be dropped
)

// push queues a frame if it has room.
func (q *queue) push(f *protocol.Frame) pushed {
	size := f.Size()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dead || q.ending.Load() {
		return pushedIgnored
	}
	if q.isFull(size) && q.dropped != nil {
		q.dropped.Add(float64(q.pending.dropBroadcasts()))
		if f.Broadcast && q.isFull(size) {
			q.dropped.Inc()
			return pushedDropped
		}
	}
	if q.isFull(size) {
		return pushedFull
	}
	return q.add(f)
}

// isFull reports whether there is no room for size bytes.
func (q *queue) isFull(size int) bool {
	return q.pending.exceeds(size, q.limit) || q.pending.isTooMuch()
}

func (q *queue) add(f *protocol.Frame) pushed {
	q.pending.add(f, q.limit)
	switch {
	case q.held:
		return pushedHeld
	case q.writing:
		return pushedQueued
	}
	q.writing = true
	return pushedStart
}

// begin says that the connection is there. It reports whether the caller must
// start the writer, as something waits already.
func (q *queue) begin() (start bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = false
	q.writing = q.pending.bytes > 0
	return q.writing
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
	q.announceFreed()
	if drop {
		q.pending.clear()
	}
	return q.add(f)
}

// take moves the next frames into o and reports whether there are any. If there are
// none, the writer must return: the queue counts it as gone.
func (q *queue) take(o *outgoing) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	emptied := q.pending.fill(o)
	q.announceFreed()
	if len(o.frames) > 0 {
		o.last = q.ending.Load() && emptied
		return true
	}
	q.writing = false
	if q.idle != nil {
		close(q.idle)
		q.idle = nil
	}
	return false
}

// kill drops everything; nothing is taken or queued afterwards. cause counts if
// none was given before.
func (q *queue) kill(cause string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dead = true
	q.pending.clear()
	q.pending.abandon()
	q.announceFreed()
	if q.cause == "" {
		q.cause = cause
	}
}

// shed drops the broadcasts that wait, where they may be dropped, and reports whether that
// were some.
func (q *queue) shed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dropped == nil || q.pending.broadcasts == 0 {
		return false
	}
	q.dropped.Add(float64(q.pending.dropBroadcasts()))
	q.pending.recount()
	return true
}

// keepsMuch reports whether a queue that is ending has still as much in memory as that of
// a slow session: what is being written, and what was queued before the end and not dropped.
func (q *queue) keepsMuch() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending.bytes > slowFrom
}

// wait blocks until no writer is left. There must be one caller, and no new
// frames: the queue is ending or dead.
func (q *queue) wait() {
	if idle := q.untilIdle(); idle != nil {
		<-idle
	}
}

// untilIdle returns what is closed when the writer is gone, nil if there is none.
func (q *queue) untilIdle() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.writing {
		return nil
	}
	q.idle = make(chan struct{})
	return q.idle
}

// room returns what to wait for until there is room for size bytes, nil if there is
// room. It leaves half of the queue to frames that do not wait for room.
func (q *queue) room(size int) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := &q.pending
	if q.dead || q.ending.Load() || p.bytes == 0 || p.counted()+size <= q.limit/2 || p.goesUncounted(size, q.limit) {
		return nil
	}
	if q.freed == nil {
		q.freed = make(chan struct{})
	}
	return q.freed
}

func (q *queue) announceFreed() {
	if q.freed != nil {
		close(q.freed)
		q.freed = nil
	}
}
