package fanout

import (
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// gap is what a subscription misses because access to its tables has changed, and its
// client is still to be told of. What follows waits in the queue of the subscription
// meanwhile: if the gap grows, it is a part of it.
type gap struct {
	from  wal.Position // up to here the client has everything
	to    changelog.Standing
	grown time.Time
	after int // how many changes a catch-up has gone on since
}

// How long a gap has not grown when the client is told of it, in a lane, and for how many
// changes in a catch-up, which counts those that it took at once with the last one.
const (
	gapQuiet = 250 * time.Millisecond
	gapApart = 2 * takeLimit
)

// tellGaps tells the clients of gaps that have not grown for a while, and sends what has
// waited behind them. It reports whether others are left.
func (d *delivery) tellGaps() (left bool) {
	told, left := d.quietGaps()
	d.wake(told)
	return left
}

func (d *delivery) quietGaps() (told []*Subscription, left bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	told = []*Subscription{}
	for s := range d.waiting.gaps {
		switch {
		case s.gap == nil || !d.matcher.attached.has(s):
			delete(d.waiting.gaps, s)
		case time.Since(s.gap.grown) < gapQuiet:
			left = true
		default:
			s.tellGap()
			delete(d.waiting.gaps, s)
			told = append(told, s)
		}
	}
	return told, left
}

// passGap notes that a catch-up has gone on for some changes, none at the end of the log,
// and tells the client of a gap that has not grown for long, or has too much behind it;
// where rows are due, behind these.
func (c *catchup) passGap(changes int) {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	s := c.subscription
	if c.hasLeft() || s.gap == nil || s.awaitsRows() {
		return
	}
	if s.gap.after += changes; changes == 0 || s.gap.after >= gapApart || s.queue.bytes > queuedMost {
		s.tellGap()
	}
}
