package fanout

import (
	"fmt"
	"strings"
	"testing"

	"walcast/diagnose"
	"walcast/protocol"
)

// hitsOf are bindings with the ids that see the same columns.
func hitsOf(ids ...int64) (hits []*binding) {
	columns, s := &columnSet{}, &Subscription{isDedicated: true}
	for _, id := range ids {
		hits = append(hits, &binding{Binding: &diagnose.Binding{Spec: &protocol.Binding{ID: id}}, subscription: s, columns: columns})
	}
	return hits
}

func TestIDsAreListedOnceHoweverManyThereAre(t *testing.T) {
	for _, n := range []int{1, 7, 8, 9, 10_000} {
		var ids []int64
		var want []string
		for i := range n {
			ids = append(ids, int64(i+1), int64(i/2+1))
			want = append(want, fmt.Sprint(i+1))
		}
		hits := hitsOf(ids...)
		if got := idsOf(hits, hits[0]); got != "["+strings.Join(want, ",")+"]" {
			t.Errorf("%d ids are listed as %.60s…; want each once", n, got)
		}
	}
}

// BenchmarkIDs should take the same time for each of many bindings.
func BenchmarkIDs(b *testing.B) {
	for _, n := range []int{2, 10, 1_000, 10_000} {
		b.Run(fmt.Sprintf("bindings=%d", n), func(b *testing.B) {
			ids := make([]int64, n)
			for i := range ids {
				ids[i] = int64(i + 1)
			}
			hits := hitsOf(ids...)
			for b.Loop() {
				idsOf(hits, hits[0])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/binding")
		})
	}
}
