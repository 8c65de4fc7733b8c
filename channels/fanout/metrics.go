package fanout

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/protocol"
)

type metrics struct {
	bindings  prometheus.Gauge
	matched   prometheus.Counter
	hidden    prometheus.Counter
	frames    prometheus.Counter
	delivered prometheus.Counter
	catchups  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	deliveries := f.NewCounterVec(prometheus.CounterOpts{
		Name: "walcast_channels_deliveries_total",
		Help: "Frames handed to sessions, by event.",
	}, []string{"event"})
	return &metrics{
		bindings: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_bindings",
			Help: "postgres_changes bindings armed at present.",
		}),
		matched: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_matches_total",
			Help: "Pairs of a change and a binding whose filter matched.",
		}),
		hidden: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_hidden_total",
			Help: "Matches that the subject may not see.",
		}),
		frames: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_frames_built_total",
			Help: "Frames built for row changes; each is shared by all who get the same bytes.",
		}),
		delivered: deliveries.WithLabelValues(protocol.EventPostgresChanges),
		catchups: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_catchups_total",
			Help: "Channels that read the log from an earlier position before going live.",
		}),
	}
}
