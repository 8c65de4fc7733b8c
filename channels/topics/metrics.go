package topics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The values of the result label of walcast_channels_sql_messages_total.
const (
	resultRelayed = "relayed"
	resultRefused = "refused"
)

type metrics struct {
	topics   prometheus.Gauge
	messages *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, past *Past) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_past_topics",
		Help: "Topics whose broadcasts are kept for clients that come back.",
	}, func() float64 { topics, _ := past.size(); return float64(topics) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_past_bytes",
		Help: "Memory of the broadcasts that are kept for clients that come back, with the names of their topics.",
	}, func() float64 { _, bytes := past.size(); return float64(bytes) })
	return &metrics{
		topics: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_topics",
			Help: "Topics with at least one channel.",
		}),
		messages: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_sql_messages_total",
			Help: "Messages from SQL that came with the stream, by result.",
		}, []string{"result"}),
	}
}
