package presence

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestConflatorHoldsWhatComesAboveTheRate(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	c := NewConflator[int](Rate{Events: 2, Window: time.Second})
	for _, s := range []struct {
		ms, value int // value 0 takes
		want      int // 0: nothing passes
		due       int // ms, -1: nothing is held
	}{
		{ms: 0, value: 1, want: 1, due: -1},
		{ms: 10, value: 2, want: 2, due: -1},
		{ms: 20, value: 3, due: 500},
		{ms: 30, value: 4, due: 500},
		{ms: 499, due: 500},
		{ms: 500, want: 4, due: -1},
		{ms: 501, due: -1},
		{ms: 502, value: 5, due: 1000},
		{ms: 1700, value: 6, want: 6, due: -1}, // 5 was not fetched in time, 6 takes its place
		{ms: 1701, value: 7, want: 7, due: -1},
		{ms: 1702, value: 8, due: 2200},
	} {
		var got int
		if s.value != 0 {
			got, _ = c.Offer(at(s.ms), s.value)
		} else {
			got, _ = c.Take(at(s.ms))
		}
		if got != s.want {
			t.Errorf("at %d ms value %d: got %d; want %d", s.ms, s.value, got, s.want)
		}
		if due, held := c.Due(); held != (s.due >= 0) || held && !due.Equal(at(s.due)) {
			t.Errorf("at %d ms: Due() = %v, %v; want %d ms", s.ms, due.Sub(start), held, s.due)
		}
	}
	c.Clear()
	if v, ok := c.Take(at(10_000)); ok {
		t.Errorf("Take after Clear = %d; want nothing", v)
	}
}

func TestConflatorWithoutRateHoldsNothing(t *testing.T) {
	c := NewConflator[string](Rate{})
	for range 100 {
		if v, ok := c.Offer(time.Time{}, "x"); !ok || v != "x" {
			t.Fatalf("Offer = %q, %v; want x, true", v, ok)
		}
	}
}

func TestConflatorKeepsTheRateAndTheLastValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{Events: rapid.IntRange(1, 10).Draw(t, "events"), Window: time.Second}
		c := NewConflator[int](rate)
		now := time.Unix(1_700_000_000, 0)
		var passed []time.Time
		last := 0
		pass := func(v int, ok bool) {
			if ok {
				passed = append(passed, now)
				last = v
			}
		}
		n := rapid.IntRange(1, 200).Draw(t, "values")
		for v := 1; v <= n; v++ {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "pause")) * time.Millisecond)
			pass(c.Take(now))
			pass(c.Offer(now, v))
		}
		if due, held := c.Due(); held {
			now = due
			pass(c.Take(now))
		}
		if last != n {
			t.Fatalf("the last value that passed is %d; want %d", last, n)
		}
		// A burst may be followed by the shares of the window after it.
		for i := range passed {
			if j := i + 2*rate.Events; j < len(passed) && passed[j].Sub(passed[i]) < rate.Window {
				t.Fatalf("%d values passed within %v; want at most %d", 2*rate.Events+1, passed[j].Sub(passed[i]), 2*rate.Events)
			}
		}
	})
}
