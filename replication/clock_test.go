package replication

import (
	"context"
	"log/slog"
	"testing"
	"time"
	"unsafe"
)

// withClockSet is t on a machine whose clock has been set by d meanwhile: the
// time of day is another, the monotonic reading is not. It knows how package
// time keeps the two, and checks that it is so.
func withClockSet(t *testing.T, at time.Time, d time.Duration) time.Time {
	t.Helper()
	const wholeSeconds = 30 // the place of the seconds, above the nanoseconds
	moved := at
	wall := (*uint64)(unsafe.Pointer(&moved))
	*wall += uint64(int64(d/time.Second)) << wholeSeconds
	if moved.Sub(at) != 0 || moved.Round(0).Sub(at.Round(0)) != d {
		t.Fatalf("%v became %v; want the clock set by %v and nothing else", at, moved, d)
	}
	return moved
}

// jumps are what clocks do, by a wrong time zone or a late time service.
var jumps = []time.Duration{-365 * 24 * time.Hour, -time.Hour, time.Hour, 365 * 24 * time.Hour}

func TestSilenceAndIdlenessGoByTheMonotonicClock(t *testing.T) {
	for _, jump := range jumps {
		began := time.Now()
		m := newMoment(began)
		later := withClockSet(t, began.Add(10*time.Second), jump)
		m.set(began.Add(4 * time.Second))
		if got := m.since(later); got != 6*time.Second {
			t.Errorf("the clock is set by %v: since = %v; want 6s", jump, got)
		}
		m.set(later)
		if got := m.since(began.Add(11 * time.Second)); got != time.Second {
			t.Errorf("the clock is set by %v and back: since = %v; want 1s", jump, got)
		}
		m.clear()
		if got := m.since(later); got != 0 {
			t.Errorf("since = %v of none; want 0", got)
		}
	}
}

func TestWindowGoesByTheMonotonicClock(t *testing.T) {
	for _, jump := range jumps {
		l := NewLog(LogConfig{Window: time.Minute})
		l.Begin(History{System: "1", Timeline: 1, Slot: "s"}, 0x100, "")
		began := time.Now()
		l.Append(began, nil, 0x200)
		if got := l.Release(withClockSet(t, began.Add(59*time.Second), jump)); got >= 0x200 {
			t.Errorf("the clock is set by %v: released up to %s within the window", jump, got)
		}
		if got := l.Release(withClockSet(t, began.Add(61*time.Second), jump)); got != 0x200 {
			t.Errorf("the clock is set by %v: released up to %s after the window; want 0/200", jump, got)
		}
	}
}

// TestHeartbeatsAreToldApartThoughTheClockGoesBack would else take an older one
// for the one that it waits for.
func TestHeartbeatsAreToldApartThoughTheClockGoesBack(t *testing.T) {
	s := &stream{}
	s.beat.Store(uint64(time.Now().Add(time.Hour).UnixMicro())) // came when the clock was wrong
	h := &heartbeat{}
	first := h.next(time.Now(), s.beat.Load())
	if first <= s.beat.Load() {
		t.Errorf("number %d would be taken for one that has come: %d", first, s.beat.Load())
	}
	if second := h.next(time.Now().Add(-time.Hour), 0); second <= first {
		t.Errorf("number %d follows %d", second, first)
	}
}

// TestCommitTimesMayJump reads transactions of a server whose clock does.
func TestCommitTimesMayJump(t *testing.T) {
	log := NewLog(holding())
	log.Begin(History{System: "1", Timeline: 1, Slot: "s"}, 0x100, "")
	r := &Reader{log: log, logger: slog.New(slog.DiscardHandler)}
	r.metrics = newMetrics(nil, &r.progress, log)
	r.progress.begin(0x100)
	s := &stream{Reader: r, decoder: NewDecoder(noCatalog), active: newMoment(time.Now()), whole: 0x100}
	take := func(m message) {
		t.Helper()
		if err := s.takeWAL(append(make([]byte, 25), m...)); err != nil {
			t.Fatal(err)
		}
	}
	cursor := log.Follow()
	take(beginMessage(0x180, time.Now()))
	take(idAndName(IdentityDefault))
	take(commitMessage(0x180, 0x190))
	for i, jump := range jumps {
		commit := LSN(0x200 + 0x100*i)
		take(beginMessage(commit, time.Now().Add(jump)))
		take(insertMessage("7", "x"))
		take(commitMessage(commit, commit+0x10))
	}
	s.passWhole()
	changes, err := cursor.Next(context.Background(), 0)
	if err != nil || len(changes) != len(jumps) {
		t.Fatalf("Next = %d changes, %v; want %d", len(changes), err, len(jumps))
	}
	for i, c := range changes {
		if want := (Position{LSN: LSN(0x200 + 0x100*i)}); c.Position != want {
			t.Errorf("change %d stands at %s; want %s", i, c.Position, want)
		}
	}
	if s := r.Status(); s.LagBytes != 0 || s.LagSeconds != 0 || s.Received != 0x510 {
		t.Errorf("status %+v; want all received up to 0/510, without a lag", s)
	}
}
