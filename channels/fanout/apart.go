package fanout

import (
	"context"
	"runtime"
	"time"
)

// A subscription whose bindings cost much is apart: it has a delivery of its own,
// which follows the log at its own pace and is in nobody's way. It is apart from
// the start if its request says so, and from then on when too many of its bindings
// match the same rows.

// What a session may have matched on lanes within a second: bindings that match a
// row which another binding of their channel matches too. A channel has one frame
// of a row, however many of its bindings match it.
const (
	crowdLimit = 20_000
	crowdFew   = 4 // bindings are no crowd
)

// crowded notes that several bindings of the subscription match the same row, and
// sets it apart when its session has too many of those. The lock of the place is
// held.
func (s *Subscription) crowded(bindings int) {
	if bindings <= crowdFew || s.isApart || !s.request.Turn.crowded(bindings, time.Now()) {
		return
	}
	s.setApart()
	s.fanout.tasks.start(func(context.Context) { s.leaveLane() })
}

// setApart has the subscription stay with a delivery of its own from the next on.
// The lock of the place is held, if there is one yet.
func (s *Subscription) setApart() {
	s.isApart = true
	s.fanout.metrics.apart.Inc()
}

// leaveLane moves the subscription from a lane to a delivery of its own.
func (s *Subscription) leaveLane() {
	s.at(func(d *delivery) {
		if d.spill != nil {
			d.spill(s, d.standing(s).Position)
		}
	})
}

// crowd is how many bindings of a session have matched rows that others of their
// channel matched.
type crowd struct {
	began time.Time // the second that seen is of
	seen  int
	isBig bool // it was too many once
}

// crowded reports whether a session's bindings have matched too much.
func (t *Turn) crowded(bindings int, now time.Time) bool {
	t.cost.Lock()
	defer t.cost.Unlock()
	if now.Sub(t.crowd.began) >= time.Second {
		t.crowd.began, t.crowd.seen = now, 0
	}
	t.crowd.seen += bindings
	t.crowd.isBig = t.crowd.isBig || t.crowd.seen > crowdLimit
	return t.crowd.isBig
}

// working bounds how many catch-ups compute at once: lanes always find a
// processor, and one catch-up after the other has its turn.
type working chan struct{}

func newWorking() working { return make(working, max(1, runtime.GOMAXPROCS(0)-1)) }

func (w working) do(f func()) {
	w <- struct{}{}
	defer func() { <-w }()
	f()
}
