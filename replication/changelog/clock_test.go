package changelog

import (
	"testing"
	"time"

	"walcast/internal/clock"
)

func TestWindowGoesByTheMonotonicClock(t *testing.T) {
	for _, jump := range clock.Jumps() {
		l := New(Config{Window: time.Minute})
		l.Begin(History{System: "1", Timeline: 1, Slot: "s"}, 0x100, "")
		began := time.Now()
		l.Append(began, nil, 0x200)
		if got := l.Release(clock.Set(t, began.Add(59*time.Second), jump)); got >= 0x200 {
			t.Errorf("the clock is set by %v: released up to %s within the window", jump, got)
		}
		if got := l.Release(clock.Set(t, began.Add(61*time.Second), jump)); got != 0x200 {
			t.Errorf("the clock is set by %v: released up to %s after the window; want 0/200", jump, got)
		}
	}
}
