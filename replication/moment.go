package replication

import (
	"sync/atomic"
	"time"
)

// moment is a point in time, or none, that goroutines share. It goes by the
// monotonic clock: that of the wall may be set while we run.
type moment struct {
	origin time.Time
	after  atomic.Int64 // nanoseconds after a nanosecond before origin, 0 is none
}

// newMoment is none. It cannot be set to a time before origin.
func newMoment(origin time.Time) *moment { return &moment{origin: origin} }

func (m *moment) set(t time.Time) { m.after.Store(int64(max(t.Sub(m.origin), 0)) + 1) }

func (m *moment) clear() { m.after.Store(0) }

// since is how long ago it was, 0 if it is none.
func (m *moment) since(now time.Time) time.Duration {
	after := m.after.Load()
	if after == 0 {
		return 0
	}
	return now.Sub(m.origin) - time.Duration(after-1)
}
