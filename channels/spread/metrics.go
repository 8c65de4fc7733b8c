package spread

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	sent, refused, received, gaps prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, h *hearing) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "walcast_channels_" + name, Help: help})
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_spread_topics",
		Help: "Topics whose broadcasts this node gets from other nodes.",
	}, func() float64 { return float64(h.size()) })
	return &metrics{
		sent:     counter("spread_sent_total", "Broadcasts handed to the bus of the cluster."),
		refused:  counter("spread_refused_total", "Broadcasts that could not be handed to the bus of the cluster, so that clients of other nodes did not get them."),
		received: counter("spread_received_total", "Broadcasts that came from other nodes."),
		gaps:     counter("spread_gaps_total", "Times that broadcasts of another node to a topic were lost on the way, which clients with a client_id are told."),
	}
}
