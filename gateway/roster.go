package gateway

import (
	"sync"
	"sync/atomic"
)

// slots is into how many parts the roster divides its sessions: pings are spread
// over the ping interval in this many steps.
const slots = 64

// roster knows every open session. It is safe for concurrent use.
type roster struct {
	next  atomic.Uint32 // slot of the next session
	parts [slots]slot

	mu     sync.Mutex
	count  int
	closed bool
	empty  chan struct{} // closed when the roster is closed and nobody is left
}

// slot is a list threaded through the sessions themselves: it costs no memory of
// its own, and a session leaves it without a search.
type slot struct {
	mu   sync.Mutex
	head *session
}

func newRoster() *roster { return &roster{empty: make(chan struct{})} }

// enter counts a session that is about to open; false when the roster is closed.
// Each must exit.
func (r *roster) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.count++
	return true
}

// exit must be the last thing that is done for a session.
func (r *roster) exit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count--; r.count == 0 && r.closed {
		close(r.empty)
	}
}

// add makes a session known. It reports whether the roster was closed
// meanwhile, so that nobody else will end the session.
func (r *roster) add(s *session) (late bool) {
	s.slot = uint8(r.next.Add(1) % slots)
	p := &r.parts[s.slot]
	p.mu.Lock()
	if s.next = p.head; s.next != nil {
		s.next.prev = s
	}
	p.head = s
	p.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// remove takes a session off.
func (r *roster) remove(s *session) {
	p := &r.parts[s.slot]
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		p.head = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	}
	s.next, s.prev = nil, nil
}

// visit calls f for the sessions of one slot. f must not remove them.
func (r *roster) visit(i int, f func(*session)) {
	p := &r.parts[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := p.head; s != nil; s = s.next {
		f(s)
	}
}

// each calls f for every session that was there when it began.
func (r *roster) each(f func(*session)) {
	for i := range r.parts {
		r.visit(i, f)
	}
}

// close refuses new sessions and returns a channel that is closed when the last
// of the others has gone.
func (r *roster) close() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		if r.count == 0 {
			close(r.empty)
		}
	}
	return r.empty
}

// stopping reports whether the roster is closed.
func (r *roster) stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}
