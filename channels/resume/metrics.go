package resume

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// registerMetrics registers gauges whose values are read when they are
// collected.
func registerMetrics(reg prometheus.Registerer, c *Clients) {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_remembered_topics",
		Help: "Topics of clients that are away of which it is remembered what they have received.",
	}, func() float64 { topics, _ := c.size(); return float64(topics) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_remembered_bytes",
		Help: "Memory of what clients that are away have received.",
	}, func() float64 { _, bytes := c.size(); return float64(bytes) })
}
