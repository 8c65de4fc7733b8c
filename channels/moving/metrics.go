package moving

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/channels/resume"
)

// metrics counts clients that come to this node.
type metrics struct {
	found *prometheus.CounterVec
	told  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, e *Exchange) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_moving_unsure",
		Help: "1 while clients with a client_id that no node knows are told to resync, as they may have been on one all the same.",
	}, func() float64 {
		if e.isSure(time.Now()) {
			return 0
		}
		return 1
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_moving_nodes_missing",
		Help: "Nodes that are gone without a word, in the last 24 hours.",
	}, func() float64 {
		e.mu.Lock()
		defer e.mu.Unlock()
		return float64(len(e.sources.missing))
	})
	m := &metrics{
		found: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_moving_found_total",
			Help: "Joins of clients with a client_id that this node did not know: by what others know of them.",
		}, []string{"found"}),
		told: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_moving_told_total",
			Help: "Times that other nodes were told what a client has received of a topic.",
		}),
	}
	for _, found := range []string{foundOnNode, foundCopy, foundNew, foundUnknown} {
		m.found.WithLabelValues(found)
	}
	return m
}

// What is found of a client: a node had it, or a copy of what one had that is gone; nobody
// has seen it; or that is not certain.
const (
	foundOnNode  = "node"
	foundCopy    = "copy"
	foundNew     = "new"
	foundUnknown = "unknown"
)

// note counts what was found.
func (m *metrics) note(f resume.Found) {
	found := foundUnknown
	switch {
	case f.Told != nil && f.Told.Own:
		found = foundOnNode
	case f.Told != nil:
		found = foundCopy
	case f.Certain:
		found = foundNew
	}
	m.found.WithLabelValues(found).Inc()
}
