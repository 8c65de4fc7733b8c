package presence

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	graceMembers prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{
		graceMembers: promauto.With(reg).NewGauge(prometheus.GaugeOpts{
			Name: "walcast_presence_grace_members",
			Help: "Members whose socket ended and who are taken for present for their grace time.",
		}),
	}
}
