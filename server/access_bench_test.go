package server

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The rows of BenchmarkAccess come in transactions, of which one row each is for the
// client that measures.
const (
	rowsOfTransaction = 500
	accessRound       = 2 * time.Second
)

// BenchmarkAccess is what it costs to know at any time who may see what: the looks
// at what access depends on, while nothing happens and at 50,000 rows a second, and
// how much later a row of a table with row-level security comes than one of a table
// without.
func BenchmarkAccess(b *testing.B) {
	for _, rate := range []int{0, 50_000} {
		b.Run(fmt.Sprintf("rows=%d", rate), func(b *testing.B) {
			s := serveForBench(b)
			plain, secured := s.listener("eq"), s.listener("own")
			defer plain.conn.Close()
			defer secured.conn.Close()
			var open, own flow
			for b.Loop() {
				open.add(s.flow(plain, "eq", rate))
				own.add(s.flow(secured, "own", rate))
			}
			b.ReportMetric(float64(open.looks)/open.elapsed.Seconds(), "looks/s-plain")
			b.ReportMetric(float64(own.looks)/own.elapsed.Seconds(), "looks/s-rls")
			b.ReportMetric(float64(open.statements+own.statements)/(open.elapsed+own.elapsed).Seconds(), "others/s")
			b.ReportMetric(0, "ns/op")
			if rate == 0 {
				return
			}
			b.ReportMetric(float64(open.rows+own.rows)/(open.elapsed+own.elapsed).Seconds(), "rows/s")
			b.ReportMetric(open.percentile(50), "plain-p50-ms")
			b.ReportMetric(open.percentile(99), "plain-p99-ms")
			b.ReportMetric(own.percentile(50)-open.percentile(50), "added-p50-ms")
			b.ReportMetric(own.percentile(99)-open.percentile(99), "added-p99-ms")
		})
	}
}

// listener has a client join that gets one row of each transaction.
func (s *bench) listener(kind string) *participant {
	s.tb.Helper()
	tokens := map[string]string{"eq": signed("anon", ""), "own": signed("authenticated", ownerOf(0))}
	m, err := enter(s.Addr(), tokens[kind])
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := m.join("realtime:room0", audiences[kind].crowd.payload(0), true); err != nil {
		s.tb.Fatal(err)
	}
	return m
}

// flow is what became of rows that came at a rate.
type flow struct {
	rows       int
	elapsed    time.Duration
	took       []time.Duration // from before the commit of each transaction to its row's frame
	looks      int             // at what access depends on
	statements int             // that Postgres was asked besides
}

func (f *flow) add(more flow) {
	f.rows += more.rows
	f.elapsed += more.elapsed
	f.took = append(f.took, more.took...)
	f.looks += more.looks
	f.statements += more.statements
}

// percentile is in milliseconds.
func (f *flow) percentile(n int) float64 {
	slices.Sort(f.took)
	return milliseconds(f.took[(len(f.took)-1)*n/100])
}

// flow inserts rows at a rate per second for a while; 0 inserts none.
func (s *bench) flow(m *participant, kind string, rate int) (got flow) {
	s.tb.Helper()
	looks, statements, start := s.looks(), s.statements(), time.Now()
	frames := make(chan time.Time, 16)
	failed := make(chan error, 1)
	transactions := int(accessRound.Seconds() * float64(rate) / rowsOfTransaction)
	go func() {
		for range transactions {
			if _, err := m.next(); err != nil {
				failed <- err
				return
			}
			frames <- time.Now()
		}
	}()
	pace := time.NewTicker(accessRound / time.Duration(max(1, transactions)))
	defer pace.Stop()
	for range transactions {
		<-pace.C
		committed := s.transaction(kind)
		select {
		case at := <-frames:
			got.took = append(got.took, at.Sub(committed))
		case err := <-failed:
			s.tb.Fatal(err)
		}
	}
	if rate == 0 {
		<-pace.C
	}
	got.rows, got.elapsed = transactions*rowsOfTransaction, time.Since(start)
	got.looks, got.statements = s.looks()-looks, s.statements()-statements
	return got
}

// transaction inserts rows, and returns when it began to commit.
func (s *bench) transaction(kind string) (committing time.Time) {
	s.tb.Helper()
	ctx := s.tb.Context()
	tx, err := s.db.Pool.Begin(ctx)
	if err != nil {
		s.tb.Fatal(err)
	}
	if _, err := tx.Exec(ctx, audiences[kind].insert, s.rows+1, s.rows+rowsOfTransaction, rowsOfTransaction); err != nil {
		s.tb.Fatal(err)
	}
	s.rows += rowsOfTransaction
	committing = time.Now()
	if err := tx.Commit(ctx); err != nil {
		s.tb.Fatal(err)
	}
	return committing
}
