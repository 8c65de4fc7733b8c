package server

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkCommitToSocket inserts rows one after the other, at a steady rate, and
// measures from the clock in the inserting transaction to the frame at the
// client, while a thousand others listen for other rows.
func BenchmarkCommitToSocket(b *testing.B) {
	const others = 1000
	s := serveForBench(b)
	crowd := summonOthers(s, "eq", 1, 1+others)
	defer crowd.leave()
	for _, rate := range []int{20, 100, 300} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				took = append(took, s.latencies(rate, max(200, 2*rate))...)
			}
			slices.Sort(took)
			b.ReportMetric(milliseconds(took[len(took)/2]), "p50-ms")
			b.ReportMetric(milliseconds(took[len(took)*99/100]), "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// latencies inserts rows at a rate per second and returns how long each took.
func (s *bench) latencies(rate, rows int) []time.Duration {
	s.tb.Helper()
	m, err := enter(s.Addr(), signed("anon", ""))
	if err != nil {
		s.tb.Fatal(err)
	}
	defer m.conn.Close()
	if err := m.join("realtime:room0", audiences["eq"].crowd.payload(0), true); err != nil {
		s.tb.Fatal(err)
	}
	took := make([]time.Duration, rows)
	pace := time.NewTicker(time.Second / time.Duration(rate))
	defer pace.Stop()
	for i := range took {
		<-pace.C
		s.rows++
		var inserted time.Time
		err := s.db.Pool.QueryRow(s.tb.Context(), `insert into messages values ($1, 0, 'x') returning clock_timestamp()`, s.rows).Scan(&inserted)
		if err != nil {
			s.tb.Fatal(err)
		}
		if _, err := m.next(); err != nil {
			s.tb.Fatal(err)
		}
		took[i] = time.Since(inserted)
	}
	return took
}
