package presence

import "time"

// Rate is how often something may happen: Events at once, and again one each
// Window/Events. The zero Rate is no limit.
type Rate struct {
	Events int
	Window time.Duration
}

// Conflator thins out a stream of values of which only the last matters: what
// comes above the rate is held, and a later value replaces it. The stream
// is never cut off and its last value is never lost.
//
//	if v, ok := c.Offer(now, v); ok { use(v) } else { wake at c.Due() and call c.Take(now) }
type Conflator[T any] struct {
	step      time.Duration // one event's share of the window
	tolerance time.Duration // how far ahead of its share a burst may run
	next      time.Time     // when the next event would be in step
	held      T
	holding   bool
}

// NewConflator returns one that holds nothing and has its whole burst left.
func NewConflator[T any](r Rate) Conflator[T] {
	if r.Events <= 0 || r.Window <= 0 {
		return Conflator[T]{}
	}
	step := r.Window / time.Duration(r.Events)
	return Conflator[T]{step: step, tolerance: step * time.Duration(r.Events-1)}
}

// Offer takes the newest value. It returns it with true if it may pass now;
// otherwise it is held until Take. An older held value is forgotten.
func (c *Conflator[T]) Offer(now time.Time, v T) (T, bool) {
	c.held, c.holding = v, true
	return c.Take(now)
}

// Take returns the held value with true once the rate permits.
func (c *Conflator[T]) Take(now time.Time) (v T, ok bool) {
	if !c.holding || now.Before(c.next.Add(-c.tolerance)) {
		return v, false
	}
	if c.next.Before(now) {
		c.next = now
	}
	c.next = c.next.Add(c.step)
	v = c.held
	c.Clear()
	return v, true
}

// Due is when the held value may pass; false if none is held.
func (c *Conflator[T]) Due() (time.Time, bool) {
	return c.next.Add(-c.tolerance), c.holding
}

// Clear forgets the held value, as when its channel ends. The next value is held
// to the rate as before.
func (c *Conflator[T]) Clear() {
	var none T
	c.held, c.holding = none, false
}
