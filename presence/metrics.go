package presence

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	graceMembers prometheus.Gauge
	refused      prometheus.Counter
	leftOut      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		refused: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_presence_full_total",
			Help: "Payloads that were not tracked as their topic's presence had no room for them.",
		}),
		leftOut: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_presence_left_out_total",
			Help: "Payloads that other nodes track and that are not shown here, as their topic's presence had no room for them.",
		}),
		graceMembers: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_presence_grace_members",
			Help: "Members whose socket ended and who are taken for present for their grace time.",
		}),
	}
}
