package channels

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// What replication needs at most until it knows that Postgres is away, or that a
// publication is missing; its silence_test.go holds it to that.
const (
	unheardWithin = 6500 * time.Millisecond
	missingWithin = 2 * time.Second
)

// TestWhatBreaksABindingIsToldWithinTenSeconds adds up what may pass until then.
func TestWhatBreaksABindingIsToldWithinTenSeconds(t *testing.T) {
	const promised = 10 * time.Second
	if checkLimit >= strictWait {
		t.Errorf("a check waits %v for the database, and a join %v for the check: it would be refused without the reason", checkLimit, strictWait)
	}
	for what, within := range map[string]time.Duration{
		"the catalog: a tick, a look that takes long and the next one": changedEvery*watchEvery + lookLimit + changedEvery*watchEvery,
		"the database, silently: a look under way, and a second sight": unheardWithin + lookLimit + watchEvery,
		"the database, at once: a look under way, and a tick":          lookLimit + outageAfter + watchEvery,
		"a join of which the database knows nothing, alone":            checkLimit,
		"a publication": missingWithin + outageAfter + lookLimit + watchEvery,
	} {
		if within > promised {
			t.Errorf("%s: told within %v; want %v", what, within, promised)
		}
	}
}

// TestAnOutageIsToldInTime follows the feed by a clock that is set.
func TestAnOutageIsToldInTime(t *testing.T) {
	for name, c := range map[string]struct {
		knownAfter time.Duration // that no word comes
		told       time.Duration
	}{
		"Postgres stops":             {0, outageAfter + watchEvery},
		"a connection falls silent":  {unheardWithin, unheardWithin + 2*watchEvery},
		"a connection is just slow":  {4 * time.Second, outageAfter + watchEvery},
		"a server that has not been": {-1, outageAfter + 2*watchEvery},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				a := newArming(nil, nil, func() Feed {
					switch {
					case c.knownAfter < 0:
						return Feed{}
					case time.Since(began) < c.knownAfter:
						return Feed{Streams: true}
					}
					return Feed{Since: began}
				}, slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					_ = a.watch(ctx) // it never fails
				}()
				now := func() outage {
					synctest.Wait()
					a.armed.mu.Lock()
					defer a.armed.mu.Unlock()
					return a.armed.outage
				}
				for now() == noOutage {
					time.Sleep(watchEvery / 4) //nolint:forbidigo // of a fake clock
				}
				if told := time.Since(began); told > c.told || told < outageAfter {
					t.Errorf("told after %v; want %v to %v", told, outageAfter, c.told)
				}
				cancel()
				<-done
			})
		})
	}
}

// TestAStreamThatBeginsAnewIsNoOutage: the first sight of it tells nobody, however long
// ago the last word came.
func TestAStreamThatBeginsAnewIsNoOutage(t *testing.T) {
	a, start := newArmed(), time.Now()
	for i := range 5 {
		at := start.Add(time.Duration(i) * 2 * watchEvery)
		if soon := a.feed(Feed{Since: at.Add(-outageAfter)}, at); !soon || a.outage != noOutage {
			t.Fatalf("outage %d at the first sight, soon %v; want none yet", a.outage, soon)
		}
		if soon := a.feed(Feed{Streams: true}, at.Add(watchEvery)); soon || a.outage != noOutage {
			t.Fatalf("outage %d as the stream is back, soon %v; want none", a.outage, soon)
		}
	}
}
