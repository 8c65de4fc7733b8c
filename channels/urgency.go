package channels

import (
	"sync/atomic"
	"time"
)

// urgency says which readers are to be asked at once: those that were asked before
// something changed. It is not safe for concurrent use.
type urgency struct {
	noted    bool      // something has changed that nobody was asked about yet
	since    time.Time // readers that were asked before are due
	asking   bool      // and not all of these were asked yet
	next     time.Time // no sooner than this the next ones are
	followUp time.Time // when to ask once more; zero for not
}

const (
	// urgentPause is the time between two rounds that changes cause, at least. It
	// is longer where a round takes long: changes that never end must not take
	// more than half of the time of a connection.
	urgentPause = 100 * time.Millisecond
	// settleTime is how long a commit that the log has may be hidden from queries:
	// Postgres writes it to the WAL first.
	settleTime = time.Second
)

// note takes in that something has changed.
func (u *urgency) note() { u.noted = true }

// promote begins a round if one is called for. oldest is when the reader was asked
// that has not been asked for the longest time.
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
		u.noted, u.asking, u.since, u.followUp = false, true, now, now.Add(settleTime)
	case !u.followUp.IsZero() && !now.Before(u.followUp):
		u.asking, u.since, u.followUp = true, now, time.Time{}
	}
}

// isDue reports whether a reader is due that was asked at a time.
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

// changes is when something was last seen to change that rights depend on. It is
// safe for concurrent use.
type changes struct{ at atomic.Int64 } // in Unix nanoseconds

func (c *changes) note(now time.Time) { c.at.Store(now.UnixNano()) }

// believes reports whether an answer holds that was asked for at a time. One from
// right after a change may not know of it; it holds for a moment all the same, or
// changes that never end would have every message ask.
func (c *changes) believes(asked, now time.Time) bool {
	at := time.Unix(0, c.at.Load())
	return asked.After(at) && (asked.Sub(at) > settleTime || now.Sub(asked) < urgentPause)
}
