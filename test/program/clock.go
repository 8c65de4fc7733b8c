package program

import (
	"context"
	"time"
)

// Clock is the time of day of a moment, for reports.
func Clock(nanos int64) string { return time.Unix(0, nanos).UTC().Format("15:04:05.000") }

// Wait lets time pass; it is false when ctx is done.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
