package replication

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// metrics of the reader. Gauges ask the reader when they are collected.
type metrics struct {
	changes    [wal.Message + 1]prometheus.Counter // by Operation
	reconnects *prometheus.CounterVec
	recreated  *prometheus.CounterVec
	late       prometheus.Counter
	held       prometheus.Counter
	foreign    prometheus.Counter
	takeovers  prometheus.Counter
	relayMetrics
}

func newMetrics(reg prometheus.Registerer, p *progress, log *changelog.Log) *metrics {
	f := promauto.With(reg)
	changes := f.NewCounterVec(prometheus.CounterOpts{
		Name: "walcast_replication_changes_total",
		Help: "Changes decoded from the WAL, those read again after a reconnect included.",
	}, []string{"event"})
	m := &metrics{
		reconnects: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_replication_reconnects_total",
			Help: "Interruptions of replication and failed attempts to resume it.",
		}, []string{"reason"}),
		recreated: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_replication_slot_recreated_total",
			Help: "Times the slot was made anew, after which subscribers have to resync.",
		}, []string{"reason"}),
		late: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_replication_heartbeats_late_total",
			Help: "Heartbeats that did not come back in time: Postgres' decoder is stuck or far behind.",
		}),
		foreign: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_replication_foreign_messages_total",
			Help: "Logical messages with prefixes of other tools, which are read past.",
		}),
		takeovers: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_replication_takeovers_total",
			Help: "Times that this process stood by and then took the slot over.",
		}),
		held: f.NewCounter(prometheus.CounterOpts{
			Name: "walcast_replication_held_seconds_total",
			Help: "Time that reading waited, as the log was full of what matchers had still to read.",
		}),
	}
	m.relayMetrics = newRelayMetrics(f)
	for operation := wal.Insert; operation <= wal.Message; operation++ {
		m.changes[operation] = changes.WithLabelValues(operation.String())
	}
	for _, cause := range causes() {
		m.reconnects.WithLabelValues(cause)
	}
	for _, code := range []string{changelog.CodeSlotLost, changelog.CodeSlotMissing, changelog.CodePublication, changelog.CodePublicationFilter} {
		m.recreated.WithLabelValues(code)
	}
	registerGauges(f, p, log)
	return m
}

// registerGauges registers what is asked for when it is collected.
func registerGauges(f promauto.Factory, p *progress, log *changelog.Log) {
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: "walcast_replication_" + name, Help: help}, value)
	}
	status := func(name, help string, value func(Status) float64) {
		gauge(name, help, func() float64 { return value(p.status(time.Now())) })
	}
	status("streaming", "1 while changes are streamed.", func(s Status) float64 {
		if s.Streaming {
			return 1
		}
		return 0
	})
	status("standby", "1 while another process has the slot and this one waits to take over.", func(s Status) float64 {
		if s.Role == RoleStandby {
			return 1
		}
		return 0
	})
	status("following", "1 while changes come from another node of a cluster that reads the slot.", func(s Status) float64 {
		if s.Role == RoleFollower && s.Streaming {
			return 1
		}
		return 0
	})
	status("received_position_bytes", "WAL position up to which everything has been received.",
		func(s Status) float64 { return float64(s.Received) })
	status("confirmed_position_bytes", "WAL position from which a restarted server would go on.",
		func(s Status) float64 { return float64(s.Confirmed) })
	status("lag_bytes", "WAL written by Postgres and not yet received.",
		func(s Status) float64 { return float64(s.LagBytes) })
	status("lag_seconds", "Age of the oldest commit not yet received.",
		func(s Status) float64 { return s.LagSeconds })
	gauge("retained_wal_bytes", "WAL that Postgres keeps for the slot.",
		func() float64 { r := p.retained(); return float64(r.last.bytes) })
	gauge("retained_wal_seconds", "Age of the oldest WAL that Postgres keeps for the slot, as far as is known.",
		func() float64 { r := p.retained(); return r.age(time.Now()).Seconds() })
	gauge("retained_wal_limit_bytes", "The lower of max_slot_wal_keep_size and slot-warn-size, 0 if there is neither.",
		func() float64 { r := p.retained(); limit, _ := r.limit(); return float64(limit) })
	gauge("log_bytes", "Memory of the changes in the log.",
		func() float64 { return float64(log.Stats().Bytes) })
	gauge("log_changes", "Changes in the log.",
		func() float64 { return float64(log.Stats().Changes) })
}

// count adds changes that were handed to the log.
func (m *metrics) count(changes []*wal.Change) {
	var n [wal.Commit + 1]int
	for _, c := range changes {
		n[c.Operation]++
	}
	for operation, counter := range m.changes {
		if n[operation] > 0 {
			counter.Add(float64(n[operation]))
		}
	}
}
