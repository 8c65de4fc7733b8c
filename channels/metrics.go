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
	limitHeldTotal     = "held_total"
	limitPresence      = "presence" // updates that were held back
	limitPresenceSize  = "presence_size"
	limitBroadcastSize = "broadcast_size"
)

type metrics struct {
	channels prometheus.Gauge
	joins    *prometheus.CounterVec
	limited  *prometheus.CounterVec
	resyncs  *prometheus.CounterVec
	readers  prometheus.Gauge
	checks   *prometheus.CounterVec
	ended    *prometheus.CounterVec
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
		readers: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_private",
			Help: "Channels on private topics, and clients of such that may come back, whose right to read is asked again and again.",
		}),
		checks: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_read_checks_total",
			Help: "Checks whether a channel may still read its private topic, by result.",
		}, []string{"result"}),
		ended: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_ended_total",
			Help: "Sessions and channels ended over HTTP, by what.",
		}, []string{"what"}),
	}
}

// registerArming registers gauges whose values are read when they are
// collected.
func registerArming(reg prometheus.Registerer, a *arming) {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_checks_waiting",
		Help: "Channels whose bindings are still to be checked.",
	}, func() float64 { return float64(a.turns.size()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_checked_bytes",
		Help: "Memory of what is believed for a moment of tables and bindings that were checked.",
	}, func() float64 { return float64(a.checker.Bytes()) })
}

// registerHoldings registers a gauge whose value is read when it is collected.
func registerHoldings(reg prometheus.Registerer, all *holdings) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_held_bytes",
		Help: "Memory of what the sessions hold by their joins and by what they track, of each session what is beyond 256 KiB.",
	}, func() float64 { return float64(all.bytes.Load()) })
}

// resynced counts a client that is told to resync.
func (m *metrics) resynced(code string) { m.resyncs.WithLabelValues(code).Inc() }
