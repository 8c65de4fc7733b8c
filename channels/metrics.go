package channels

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The values of the limit label of walcast_channels_limited_total.
const (
	limitChannels      = "channels"
	limitBindings      = "bindings"
	limitHeld          = "held_size"
	limitPresence      = "presence" // updates that were held back
	limitBroadcastSize = "broadcast_size"
)

type metrics struct {
	channels prometheus.Gauge
	joins    *prometheus.CounterVec
	limited  *prometheus.CounterVec
	resyncs  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		channels: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_joined",
			Help: "Channels joined at present.",
		}),
		joins: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_joins_total",
			Help: "Joins answered, by result.",
		}, []string{"result"}),
		limited: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_limited_total",
			Help: "Times that a client ran into a limit, by limit.",
		}, []string{"limit"}),
		resyncs: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_resyncs_total",
			Help: "Channels told that they missed changes, by code.",
		}, []string{"code"}),
	}
}

// resynced counts a client that is told to resync.
func (m *metrics) resynced(code string) { m.resyncs.WithLabelValues(code).Inc() }
