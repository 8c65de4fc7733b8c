package exchange

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	sent, received, repairs prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, r *roll) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "walcast_presence_" + name, Help: help})
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_presence_exchange_topics",
		Help: "Topics whose presence this node gets from other nodes.",
	}, func() float64 { return float64(r.size()) })
	return &metrics{
		sent:     counter("exchange_sent_total", "Changes of a topic's presence handed to the bus of the cluster."),
		received: counter("exchange_received_total", "Changes of a topic's presence that came from other nodes."),
		repairs:  counter("exchange_repairs_total", "Times that presence of a topic was asked of another node once more, as something had not come."),
	}
}
