package gateway

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestFailuresCostMoreAndMore(t *testing.T) {
	f := newFailures()
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	now := time.Unix(0, 0)
	for i, want := range []time.Duration{0, 0, 0, 0, 0, 50, 100, 200, 400, 800, 1600, 2000, 2000, 2000} {
		if got := f.note(bad, now); got != want*time.Millisecond {
			t.Errorf("note, time %d = %s, want %s", i+1, got, want*time.Millisecond)
		}
	}
	if got := f.note(good, now); got != 0 {
		t.Errorf("note of another address = %s, want 0", got)
	}
	if got := f.note(bad, now.Add(failuresForget+1)); got != 0 {
		t.Errorf("note after a quiet minute = %s, want 0", got)
	}
}

func TestFailuresOfOneIPv6NetworkCountTogether(t *testing.T) {
	f := newFailures()
	var got time.Duration
	for i := range 6 {
		got = f.note(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)}), time.Unix(0, 0))
	}
	if got == 0 {
		t.Error("note of the sixth address of a /64 = 0, want a pause")
	}
	if got := f.note(netip.MustParseAddr("2001:db8:0:1::1"), time.Unix(0, 0)); got != 0 {
		t.Errorf("note of another /64 = %s, want 0", got)
	}
}

func TestPauseEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		start := time.Now()
		f.pause(t.Context(), 2*time.Second)
		if got := time.Since(start); got != 2*time.Second {
			t.Errorf("paused for %s, want 2s", got)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		start = time.Now()
		f.pause(gone, time.Hour)
		if got := time.Since(start); got != 0 {
			t.Errorf("paused for %s for a client that is gone, want 0", got)
		}
		if f.waiting != 0 {
			t.Errorf("waiting = %d, want 0", f.waiting)
		}
	})
}

func TestAFloodOfFailuresIsNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFailures()
		for range failuresWait {
			go f.pause(t.Context(), time.Minute)
		}
		synctest.Wait()
		start := time.Now()
		f.pause(t.Context(), time.Minute)
		if got := time.Since(start); got != 0 {
			t.Errorf("paused for %s with %d waiting, want 0", got, failuresWait)
		}
		<-time.After(time.Minute) // fake time
	})
}
