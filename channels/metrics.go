package channels

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The values of the limit label of walcast_channels_limited_total.
const (
	limitChannels      = "channels"
	limitPresence      = "presence" // updates that were held back
	limitBroadcastSize = "broadcast_size"
)

type metrics struct {
	channels   prometheus.Gauge
	bindings   prometheus.Gauge
	topics     prometheus.Gauge
	joins      *prometheus.CounterVec
	matched    prometheus.Counter
	hidden     prometheus.Counter
	frames     prometheus.Counter
	deliveries *prometheus.CounterVec
	resyncs    *prometheus.CounterVec
	catchups   prometheus.Counter
	limited    *prometheus.CounterVec
	messages   *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	return &metrics{
		channels: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_joined",
			Help: "Channels joined at present.",
		}),
		bindings: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_bindings",
			Help: "postgres_changes bindings armed at present.",
		}),
		topics: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_topics",
			Help: "Topics with at least one channel.",
		}),
		joins: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_joins_total",
			Help: "Joins answered, by result.",
		}, []string{"result"}),
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
		deliveries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_deliveries_total",
			Help: "Frames handed to sessions, by event.",
		}, []string{"event"}),
		resyncs: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_resyncs_total",
			Help: "Channels told that they missed changes, by code.",
		}, []string{"code"}),
		messages: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_sql_messages_total",
			Help: "Messages from SQL that came with the stream, by result.",
		}, []string{"result"}),
		catchups: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_catchups_total",
			Help: "Channels that read the log from an earlier position before going live.",
		}),
		limited: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_limited_total",
			Help: "Times that a client ran into a limit, by limit.",
		}, []string{"limit"}),
	}
}
