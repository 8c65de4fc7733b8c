package replication

import (
	"sync/atomic"
	"time"
)

// atomicTime is a point in time that goroutines share, or none. It goes by the
// monotonic clock, as the wall clock may be set while the server runs.
type atomicTime struct {
	origin time.Time // times are stored as their distance from it
	// nanoseconds is the distance from origin plus one, so that 0 can mean none.
	nanoseconds atomic.Int64
}

// newAtomicTime returns one that is none. A time before origin is stored as
// origin.
func newAtomicTime(origin time.Time) *atomicTime { return &atomicTime{origin: origin} }

func (a *atomicTime) set(t time.Time) { a.nanoseconds.Store(int64(max(t.Sub(a.origin), 0)) + 1) }

func (a *atomicTime) clear() { a.nanoseconds.Store(0) }

// since is how long before now it was, 0 if it is none.
func (a *atomicTime) since(now time.Time) time.Duration {
	stored := a.nanoseconds.Load()
	if stored == 0 {
		return 0
	}
	return now.Sub(a.origin) - time.Duration(stored-1)
}
