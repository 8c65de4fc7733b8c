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
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_elsewhere_topics",
		Help: "Topics of clients that other servers of the database have announced, and that have not come here.",
	}, func() float64 { topics, _ := c.elsewhere(); return float64(topics) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_elsewhere_bytes",
		Help: "Memory of which clients other servers of the database have announced.",
	}, func() float64 { _, bytes := c.elsewhere(); return float64(bytes) })
}
