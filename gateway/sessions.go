package gateway

import (
	"sync"
	"sync/atomic"
)

// bucketCount is into how many parts the sessions are divided: pings are spread
// over the ping interval in this many steps.
const bucketCount = 64

// sessions holds every open session. It is safe for concurrent use.
type sessions struct {
	next    atomic.Uint32 // the bucket of the next session
	buckets [bucketCount]bucket

	mu     sync.Mutex
	count  int
	closed bool
	barred bool          // no session is admitted, until that changes
	empty  chan struct{} // closed when the list is closed and no session is left
}

// bucket is a linked list whose links are in the sessions themselves: it costs no
// memory of its own, and a session leaves it without a search.
type bucket struct {
	mu   sync.Mutex
	head *session
}

// links are a session's neighbours in its bucket, under the bucket's lock.
type links struct {
	next, prev *session
	bucket     uint8
}

func newSessions() *sessions { return &sessions{empty: make(chan struct{})} }

// reserve counts a session that is about to open, or says why none may. Each must be
// released.
func (ss *sessions) reserve() *rejection {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	switch {
	case ss.closed:
		return rejectStopping
	case ss.barred:
		return rejectStandby
	}
	ss.count++
	return nil
}

// bar refuses new sessions, or admits them again.
func (ss *sessions) bar(barred bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.barred = barred
}

// release must be the last thing that is done for a session.
func (ss *sessions) release() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.count--; ss.count == 0 && ss.closed {
		close(ss.empty)
	}
}

// add makes a session known. It reports whether the list was closed or barred
// meanwhile, so that nobody else will end the session.
func (ss *sessions) add(s *session) (late bool) {
	s.links.bucket = uint8(ss.next.Add(1) % bucketCount)
	ss.buckets[s.links.bucket].add(s)
	return ss.refuses()
}

func (b *bucket) add(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.links.next = b.head; s.links.next != nil {
		s.links.next.links.prev = s
	}
	b.head = s
}

// remove takes a session off.
func (ss *sessions) remove(s *session) { ss.buckets[s.links.bucket].remove(s) }

func (b *bucket) remove(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	next, prev := s.links.next, s.links.prev
	if prev != nil {
		prev.links.next = next
	} else {
		b.head = next
	}
	if next != nil {
		next.links.prev = prev
	}
	s.links.next, s.links.prev = nil, nil
}

// visit calls f for the sessions of one bucket. f must not remove them.
func (ss *sessions) visit(i int, f func(*session)) {
	b := &ss.buckets[i]
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := b.head; s != nil; s = s.links.next {
		f(s)
	}
}

// each calls f for every session that was there when it began.
func (ss *sessions) each(f func(*session)) {
	for i := range ss.buckets {
		ss.visit(i, f)
	}
}

// close refuses new sessions and returns a channel that is closed when the last
// of the others has gone.
func (ss *sessions) close() <-chan struct{} {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if !ss.closed {
		ss.closed = true
		if ss.count == 0 {
			close(ss.empty)
		}
	}
	return ss.empty
}

func (ss *sessions) refuses() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.closed || ss.barred
}

// size is how many are open, or about to open.
func (ss *sessions) size() int {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.count
}

func (ss *sessions) isClosed() bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.closed
}
