package fanout

import (
	"context"
	"time"
)

// A subscription whose bindings cost much is dedicated: it has a delivery of its
// own, which follows the log at its own pace, so that no other subscription waits
// for it. It is dedicated from the start if its request says so, or from when too
// many bindings of its session match the same rows.

// What the bindings of a session may match on lanes within a second. Counted
// are bindings that match the same row as another binding of their channel
// does: a channel gets one frame of a row, however many of its bindings match
// it, but each of them costs the lane time.
const (
	overlapLimit = 20_000
	overlapFew   = 4 // so many bindings on one row, or fewer, are not counted
)

// noteOverlap notes that several bindings of the subscription match the same
// row. When its session has too many of those, the subscription moves to a
// delivery of its own. The lock of s.attachedTo must be held.
func (s *Subscription) noteOverlap(bindings int) {
	if bindings <= overlapFew || s.isDedicated || !s.request.Session.cost.noteOverlap(bindings, time.Now()) {
		return
	}
	s.dedicate()
	s.fanout.tasks.start(func(context.Context) { s.leaveLane() })
}

// dedicate has the subscription stay with a delivery of its own once it is on
// one. The lock of s.attachedTo, if it has one yet, must be held.
func (s *Subscription) dedicate() {
	s.isDedicated = true
	s.fanout.metrics.dedicated.Inc()
}

// leaveLane moves the subscription from a lane to a delivery of its own.
func (s *Subscription) leaveLane() {
	s.withDelivery(func(d *delivery) {
		if d.waiting.moves.toCatchUp != nil {
			d.waiting.moves.toCatchUp(s, d.standings.reached(s).Position)
		}
	})
}
