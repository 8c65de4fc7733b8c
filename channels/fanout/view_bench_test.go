package fanout

import (
	"fmt"
	"testing"

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
