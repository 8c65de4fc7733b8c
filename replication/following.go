package replication

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// following is how far behind the reader a follower is. The lock of progress guards it.
type following struct {
	caughtUp time.Time // when it last had all that the reader has told; zero if it never had
	serves   bool      // clients are served with what comes
}

// isKnown reports whether there was something to follow.
func (f *following) isKnown() bool { return !f.caughtUp.IsZero() }

// lag is for how long it has not had all that the reader has told. The reader speaks
// every beatEvery at least; with it silent nothing is known of what it has told.
func (f *following) lag(now time.Time) time.Duration {
	return max(now.Sub(f.caughtUp)-2*beatEvery, 0)
}

// caughtUp notes that the follower has all that the reader has told.
func (p *progress) caughtUp(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.following.caughtUp = now
}

// lookFollowing decides whether clients are served with what comes from another node, and
// reports whether that has changed.
func (p *progress) lookFollowing(now time.Time, most time.Duration) (serves, changed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := &p.following
	if !f.isKnown() {
		return false, false
	}
	serves = f.lag(now) <= most
	changed = serves != f.serves
	if f.serves = serves; changed {
		p.since = now
	}
	return serves, changed
}

// relayMetrics are of what comes from other nodes.
type relayMetrics struct{ holes, repairs, gaps prometheus.Counter }

func newRelayMetrics(f promauto.Factory) relayMetrics {
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "walcast_replication_relay_" + name, Help: help})
	}
	return relayMetrics{
		holes:   counter("holes_total", "Times that something was missing in what came from the node that reads the slot."),
		repairs: counter("repairs_total", "Answers of other nodes with what was missing, or with what a node begins with."),
		gaps:    counter("gaps_total", "Times that no node had what was missing, after which subscribers have to resync."),
	}
}

// registerRelay registers what is asked for when it is collected.
func registerRelay(reg prometheus.Registerer, r *retained) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_replication_relay_retained_bytes",
		Help: "Memory of what is kept of the WAL for other nodes of the cluster.",
	}, func() float64 { return float64(r.bytes()) })
}
