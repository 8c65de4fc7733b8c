package live

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type snapshotMetrics struct {
	taken   *prometheus.CounterVec
	rows    prometheus.Counter
	seconds prometheus.Histogram
	revoked prometheus.Counter
}

func newSnapshotMetrics(reg prometheus.Registerer, s *Snapshots) *snapshotMetrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_snapshots_waiting",
		Help: "Snapshots that wait for a connection or for memory; equal ones count once.",
	}, func() float64 { return float64(s.waiting()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_snapshot_bytes",
		Help: "Memory of the rows of snapshots that their clients have still to take.",
	}, func() float64 { return float64(s.size()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_view_keys",
		Help: "Rows that views have, whose keys the server holds.",
	}, func() float64 { return float64(s.config.Keys.Held()) })
	return &snapshotMetrics{
		taken: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_channels_snapshots_total",
			Help: "Snapshots that Postgres was asked for, by result; equal ones count once.",
		}, []string{"result"}),
		rows: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_snapshot_rows_total",
			Help: "Rows of snapshots that were read.",
		}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "walcast_channels_snapshot_seconds",
			Help:    "Time from the beginning of a snapshot until all of its rows were read.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}),
		revoked: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_channels_snapshots_revoked_total",
			Help: "Snapshots whose clients took longer than snapshot-timeout to take them while others needed the memory.",
		}),
	}
}

// count counts a snapshot that has ended.
func (m *snapshotMetrics) count(taken *Snapshot, err error, took time.Duration) {
	var refused *RefusedError
	switch {
	case err == nil:
		m.taken.WithLabelValues("ok").Inc()
		m.seconds.Observe(took.Seconds())
		for _, n := range taken.Counts {
			m.rows.Add(float64(n))
		}
	case errors.As(err, &refused):
		m.taken.WithLabelValues("refused").Inc()
	default:
		m.taken.WithLabelValues("away").Inc()
	}
}
