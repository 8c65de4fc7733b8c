package fanout

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"walcast/internal/logtest"
	"walcast/replication/wal"
)

// BenchmarkViews has a table updated that many views are of, none of which has the row, and
// as many plain bindings beside it.
func BenchmarkViews(b *testing.B) {
	for _, n := range []int{10, 1_000} {
		for _, kind := range []string{"plain", "view"} {
			b.Run(fmt.Sprintf("bindings=%d/%s", n, kind), func(b *testing.B) {
				f := newRowsFixture(b, true, tableOfRows)
				for i := range n {
					spec := fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.%d"`, 1000+i)
					if kind == "view" {
						spec += `,"view":true`
					}
					s := f.subscribe(newInbox(), ask{topic: fmt.Sprint("room", i), bindings: spec + "}"}, Start{})
					s.Arm()
					f.until("it is on its lane", func() bool { return s.attachedTo.Load().kind != catchingUp })
				}
				rel := f.Relation("messages")
				for b.Loop() {
					var changes []*wal.Change
					for i := range 100 {
						id := fmt.Sprint(i)
						changes = append(changes, &wal.Change{Operation: wal.Update, Relation: rel, XID: 1 << 30, New: logtest.Row(id, "7", "x"), Old: logtest.Row(id, "", "")})
					}
					f.Commit(changes...)
					f.waitLanes()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(100*b.N), "ns/change")
			})
		}
	}
}

// BenchmarkViewRows has a table whose rows enter, change and leave, which all match the filter
// of a binding: of a view and of a plain one, in turns. Processor time is that of all.
func BenchmarkViewRows(b *testing.B) {
	f := newRowsFixture(b, true, tableOfRows)
	const spec = `{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.7"`
	rel, n := f.Relation("messages"), 0
	turn := func(more string) time.Duration {
		s := f.subscribe(newInbox(), ask{bindings: spec + more + "}"}, Start{})
		defer s.Close()
		s.Arm()
		f.until("it is on its lane", func() bool { return s.attachedTo.Load().kind != catchingUp })
		start := processorTime(b)
		for range 20 {
			var changes []*wal.Change
			for range 100 {
				n++
				id := fmt.Sprint(n)
				old := logtest.Row(id, "", "")
				for _, op := range []wal.Operation{wal.Insert, wal.Update, wal.Update, wal.Delete} {
					c := &wal.Change{Operation: op, Relation: rel, XID: 1 << 30}
					if op != wal.Delete {
						c.New = logtest.Row(id, "7", "somebody says something")
					}
					if op != wal.Insert {
						c.Old = old
					}
					changes = append(changes, c)
				}
			}
			f.Commit(changes...)
			f.waitLanes()
		}
		return processorTime(b) - start
	}
	var plain, view time.Duration
	for b.Loop() {
		plain += turn("")
		view += turn(`,"view":true`)
	}
	b.ReportMetric(float64(view.Nanoseconds())/float64(20*400*b.N), "cpu-ns/row")
	b.ReportMetric(float64(view)/float64(plain), "of-plain")
	b.ReportMetric(0, "ns/op")
}

// processorTime is what this process has used so far.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
