// Package clock stands for a machine whose clock is set while a program runs.
// It is for tests only.
package clock

import (
	"testing"
	"time"
	"unsafe"
)

// Set is at on a machine whose clock has been set by d meanwhile: the time of
// day is another, the monotonic reading is not. It knows how package time keeps
// the two, and checks that it is so.
func Set(t *testing.T, at time.Time, d time.Duration) time.Time {
	t.Helper()
	const wholeSeconds = 30 // how far the seconds are shifted, above the nanoseconds
	moved := at
	wall := (*uint64)(unsafe.Pointer(&moved))
	*wall += uint64(int64(d/time.Second)) << wholeSeconds
	if moved.Sub(at) != 0 || moved.Round(0).Sub(at.Round(0)) != d {
		t.Fatalf("%v became %v; want the clock set by %v and nothing else", at, moved, d)
	}
	return moved
}

// Jumps are what clocks do, by a wrong time zone or a late time service.
func Jumps() []time.Duration {
	return []time.Duration{-365 * 24 * time.Hour, -time.Hour, time.Hour, 365 * 24 * time.Hour}
}
