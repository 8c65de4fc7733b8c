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

	leftLane, questions, switchedOff, outdated prometheus.Counter

	dedicated prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, fanout *Fanout) *metrics {
	f := promauto.With(reg)
	addGauges(f, fanout)
	return &metrics{
		bindings: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_bindings",
			Help: "postgres_changes bindings that match at present.",
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
		delivered: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_deliveries_total",
			Help: "Frames handed to sessions, by event.",
		}, []string{"event"}).WithLabelValues(protocol.EventPostgresChanges),
		dedicated: f.NewGauge(prometheus.GaugeOpts{
			Name: "walcast_channels_dedicated",
			Help: "Channels whose bindings cost too much for a lane that others share: each has changes matched by a delivery of its own.",
		}),
		catchups: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_catchups_total",
			Help: "Channels that read the log from an earlier position before going live.",
		}),
		leftLane: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_left_lane_total",
			Help: "Times that a channel went from a lane to a delivery of its own, as too much of it waited to be decided or too many of its bindings matched the same rows.",
		}),
		questions: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_questions_total",
			Help: "Questions put to Postgres about one change for one subject: who may see it, or whether a filter holds.",
		}),
		switchedOff: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_switched_off_total",
			Help: "Bindings switched off as they took too much of Postgres' time.",
		}),
		outdated: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_access_changed_total",
			Help: "Channels told to resync as who may see what had changed before their rows were judged.",
		}),
	}
}

// addGauges registers gauges whose values are read when they are collected.
func addGauges(reg promauto.Factory, f *Fanout) {
	reg.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_undecided_bytes",
		Help: "Memory of changes that wait for Postgres to decide who gets them.",
	}, func() float64 { return float64(f.asker.queued.Load()) })
	reg.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_undelivered_bytes",
		Help: "WAL that the log has read and the slowest lane has not delivered yet.",
	}, func() float64 {
		reached := f.Reached().LSN
		return float64(max(f.log.Head().LSN, reached) - reached)
	})
	reg.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_secured",
		Help: "Channels on secured lanes, whose rows wait for a look at the rules of access: those that had a row under row-level security.",
	}, func() (n float64) {
		for _, s := range f.shards {
			n += float64(s.secured.count())
		}
		return n
	})
}
