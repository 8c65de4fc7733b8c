// Package await has tests wait for a condition, or for a line of a log, with a limit.
package await

import (
	"testing"
	"time"
)

// pause is the time between two looks at a condition.
const pause = 5 * time.Millisecond

// True returns when a condition is met, and ends the test if that takes longer than
// the limit. what says which condition it is. It is for conditions that nothing tells
// of.
func True(t testing.TB, limit time.Duration, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); !is(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for: %s", limit, what)
		}
	}
}
