package server

import (
	"testing"
)

// BenchmarkPresence has 1,000 clients with open sessions join one topic and track
// at the same moment: until all have seen all, and how many frames that took for
// the one with the most.
func BenchmarkPresence(b *testing.B) {
	const members = 1000
	s := serveForBench(b)
	for b.Loop() {
		got := s.meet(members)
		b.ReportMetric(got.Met/1000, "s")
		b.ReportMetric(float64(got.Most), "frames/member")
		b.ReportMetric(float64(got.Bytes)/members, "B/member")
	}
	b.ReportMetric(0, "ns/op")
}

func (s *bench) meet(members int) tally {
	s.tb.Helper()
	crowd := summon(s.tb, crowd{Address: s.Addr(), Sessions: members, Parallel: 8, Meet: true})
	defer crowd.leave()
	return crowd.order(0)()
}
