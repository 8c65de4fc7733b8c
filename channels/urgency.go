package channels

import (
	"sync/atomic"
	"time"
)

// urgency says which readers are to be asked about at once: those whose last
// check began before something changed. It is not safe for concurrent use.
type urgency struct {
	noted    bool      // something has changed and no round has begun since
	since    time.Time // readers whose last check began before are due
	asking   bool      // a round is going on
	next     time.Time // when the next round may begin at the earliest
	followUp time.Time // when to begin one more round; zero for none
}

const (
	// urgentPause is the least time between two rounds that changes cause. It
	// is longer if a round takes long: changes that never end must not take
	// more than half of a connection's time.
	urgentPause = 100 * time.Millisecond
	// unseenTime is how long a commit that the log has may be invisible to
	// queries, as Postgres writes it to the WAL first. So a round is followed
	// by another one.
	unseenTime = time.Second
)

// note notes that something has changed.
func (u *urgency) note() { u.noted = true }

// promote begins a round if something has changed, or one more is to follow the
// last. oldest is when the check began of the reader that was checked longest
// ago.
func (u *urgency) promote(now, oldest time.Time) {
	if u.isDue(oldest) {
		return // the round before is not over
	}
	if u.asking {
		u.asking, u.next = false, now.Add(max(urgentPause, now.Sub(u.since)))
	}
	switch {
	case now.Before(u.next):
	case u.noted:
		u.noted, u.asking, u.since, u.followUp = false, true, now, now.Add(unseenTime)
	case !u.followUp.IsZero() && !now.Before(u.followUp):
		u.asking, u.since, u.followUp = true, now, time.Time{}
	}
}

// isDue reports whether a reader is due whose last check began at askedAt.
func (u *urgency) isDue(askedAt time.Time) bool { return askedAt.Before(u.since) }

// wait is how long it is until promote may begin a round.
func (u *urgency) wait(now time.Time) time.Duration {
	switch {
	case u.noted:
		return u.next.Sub(now)
	case !u.followUp.IsZero():
		return max(u.followUp.Sub(now), u.next.Sub(now))
	}
	return time.Hour
}

// changes is when something was last seen to change that rights depend on. It
// is safe for concurrent use.
type changes struct{ at atomic.Int64 } // in Unix nanoseconds

func (c *changes) note(now time.Time) { c.at.Store(now.UnixNano()) }

// believes reports whether the answer to what was asked at a time still holds.
// An answer from right after a change may not know of the change. It holds for a
// moment all the same: otherwise, with changes that never end, Postgres would be
// asked for every message.
func (c *changes) believes(asked, now time.Time) bool {
	at := time.Unix(0, c.at.Load())
	return asked.After(at) && (asked.Sub(at) > unseenTime || now.Sub(asked) < urgentPause)
}
