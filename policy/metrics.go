package policy

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	loads      *prometheus.CounterVec
	asks       *prometheus.CounterVec
	askSeconds prometheus.Histogram
	askRows    prometheus.Counter
	raised     prometheus.Counter
	superseded prometheus.Counter
	early      prometheus.Counter
	private    *prometheus.CounterVec
	looks      *prometheus.CounterVec
	lookTime   prometheus.Histogram
	changes    prometheus.Counter
}

// looked counts a look at the catalog and how long it took.
func (m *metrics) looked(err error, took time.Duration) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.looks.WithLabelValues(result).Inc()
	m.lookTime.Observe(took.Seconds())
}

func newMetrics(reg prometheus.Registerer, p *Policy) *metrics {
	f := promauto.With(reg)
	newGauges(f, p)
	m := &metrics{}
	m.ofCatalog(f)
	m.ofRows(f)
	m.private = f.NewCounterVec(prometheus.CounterOpts{
		Name: "walcast_policy_private_checks_total", Help: "Checks of private topics.",
	}, []string{"question"})
	return m
}

// newGauges makes the gauges, which read what the policy holds when they are asked.
func newGauges(f promauto.Factory, p *Policy) {
	for _, v := range []Verdict{Open, Compiled, Ask} {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "walcast_policy_views", ConstLabels: prometheus.Labels{"verdict": v.String()},
			Help: "What is known of a table for a role, by how its rows are checked.",
		}, func() float64 { return float64(p.tables.count(v)) })
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_policy_subjects", Help: "Distinct subjects (role and claims) that channels act as.",
	}, p.subjects.count)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_policy_subjects_bytes", Help: "Memory of the roles and claims of these subjects.",
	}, p.subjects.size)
}

// ofCatalog makes the metrics of reading and watching the catalog.
func (m *metrics) ofCatalog(f promauto.Factory) {
	m.loads = f.NewCounterVec(prometheus.CounterOpts{
		Name: "walcast_policy_loads_total",
		Help: "Times that grants and policies of a table were read from the catalog for a role.",
	}, []string{"result"})
	m.looks = f.NewCounterVec(prometheus.CounterOpts{
		Name: "walcast_policy_looks_total",
		Help: "Statements that looked whether anything has changed that access or types depend on.",
	}, []string{"result"})
	for _, result := range []string{"ok", "failed"} { // none yet is a number too
		m.looks.WithLabelValues(result)
	}
	m.lookTime = f.NewHistogram(prometheus.HistogramOpts{
		Name:    "walcast_policy_look_seconds",
		Help:    "Time that one such look took, with reading again what had changed.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
	})
	m.changes = f.NewCounter(prometheus.CounterOpts{
		Name: "walcast_policy_access_changes_total", Help: "Looks that found access or types changed.",
	})
}

// ofRows makes the metrics of asking Postgres about rows.
func (m *metrics) ofRows(f promauto.Factory) {
	m.asks = f.NewCounterVec(prometheus.CounterOpts{
		Name: "walcast_policy_asks_total",
		Help: "Statements that asked Postgres what a subject may see, by what they looked at.",
	}, []string{"by"})
	m.askSeconds = f.NewHistogram(prometheus.HistogramOpts{
		Name:    "walcast_policy_ask_seconds",
		Help:    "Time that one such statement took.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
	})
	m.askRows = f.NewCounter(prometheus.CounterOpts{
		Name: "walcast_policy_ask_rows_total", Help: "Changes that Postgres was asked about.",
	})
	m.raised = f.NewCounter(prometheus.CounterOpts{
		Name: "walcast_policy_raised_total", Help: "Changes hidden and topics refused because a policy raised or could not be evaluated.",
	})
	m.superseded = f.NewCounter(prometheus.CounterOpts{
		Name: "walcast_policy_superseded_total",
		Help: "Changes not shown as Postgres could only judge their row as it is now, which is another version of it.",
	})
	m.early = f.NewCounter(prometheus.CounterOpts{
		Name: "walcast_policy_early_total",
		Help: "Changes that Postgres was asked about before it showed what their transaction had done, to be asked about again.",
	})
}
