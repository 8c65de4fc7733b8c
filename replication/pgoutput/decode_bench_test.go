package pgoutput

import (
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"walcast/internal/golden"
)

// benchMessages are 200 inserts, 100 updates and 50 deletes in three
// transactions: bigint, int, text, numeric(12,2), timestamptz, bool.
func benchMessages(b *testing.B) [][]byte {
	b.Helper()
	return readMessages(b, golden.Cases(b, captures+"bench/*.hex")[0])
}

// BenchmarkDecode compares the decoder with a bare pglogrepl loop over the same
// recorded messages. "faster" is the ratio of the fastest rounds of both,
// which take turns: other load on the machine meets both alike.
func BenchmarkDecode(b *testing.B) {
	messages := benchMessages(b)
	d := NewDecoder(noCatalog)
	walcast := func() {
		for _, m := range messages {
			if _, err := d.Decode(m); err != nil {
				b.Fatal(err)
			}
		}
	}
	reference := func() {
		for _, m := range messages {
			if _, err := pglogrepl.Parse(m); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		run  func()
	}{{"walcast", walcast}, {"pglogrepl", reference}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.run()
			}
			b.ReportMetric(float64(b.N*len(messages))/b.Elapsed().Seconds(), "messages/s")
		})
	}
	b.Run("ratio", func(b *testing.B) {
		ours, theirs := time.Hour, time.Hour
		for b.Loop() {
			ours = min(ours, timeOf(walcast))
			theirs = min(theirs, timeOf(reference))
		}
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "faster")
	})
}

func timeOf(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
