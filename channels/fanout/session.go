package fanout

import (
	"context"
	"sync"
	"time"
)

// Session is what the subscriptions of one session share: their catch-ups send
// one after the other, and what their bindings cost is counted together. The
// zero Session is ready for use.
type Session struct {
	catchUps oneAtATime
	cost     cost
}

// oneAtATime has the catch-ups of a session send one after the other, as each
// waits for room in the same queue.
type oneAtATime struct {
	mu sync.Mutex // held by the catch-up whose turn it is
}

// pace calls send when the client has room for about size bytes. Only catch-ups
// use it: they read from memory faster than any socket sends, and would fill
// the queue of every client that comes back, however fast it reads. Live
// changes never wait for a client.
func (o *oneAtATime) pace(ctx context.Context, out Outbox, size int, send func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	out.Room(ctx, size)
	send()
}

// cost is what the bindings of a session have cost of late. It is safe for
// concurrent use.
type cost struct {
	mu      sync.Mutex
	budget  budget
	overlap overlap
}

// spend charges the session for time that Postgres took. It reports whether
// that was too much.
func (c *cost) spend(now time.Time, took time.Duration, rows int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.budget.spend(now, took, rows)
}

// overlap counts how many bindings of a session have matched rows that other
// bindings of their channel matched too.
type overlap struct {
	began     time.Time // start of the second that is counted
	seen      int       // bindings counted in it
	isTooMuch bool      // the limit was exceeded once
}

// noteOverlap reports whether the session's bindings have matched too much,
// with some more that matched the same row now.
func (c *cost) noteOverlap(bindings int, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.overlap.began) >= time.Second {
		c.overlap.began, c.overlap.seen = now, 0
	}
	c.overlap.seen += bindings
	c.overlap.isTooMuch = c.overlap.isTooMuch || c.overlap.seen > overlapLimit
	return c.overlap.isTooMuch
}
