package fanout

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/wal"
)

// hitsOf are bindings with the ids that see the same columns.
func hitsOf(ids ...int64) (hits []hit) {
	columns := &columnSet{}
	for _, id := range ids {
		hits = append(hits, hit{binding: &binding{Binding: &diagnose.Binding{Spec: &protocol.Binding{ID: id}}, columns: columns}})
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
		if got := (&frames{}).groupsOf(hitsOf(ids...), &wal.Change{})[0].list(); got != "["+strings.Join(want, ",")+"]" {
			t.Errorf("%d ids are listed as %.60s…; want each once", n, got)
		}
	}
}

func TestHitsAreGroupedByTheirColumnsInOrder(t *testing.T) {
	hits := append(hitsOf(1, 2), hitsOf(3, 2)...)
	hits = append(hits, hits[0], hitsOf(5)[0], hits[3])
	hits[5].binding.columns.blocked = true
	var got []string
	for _, g := range (&frames{}).groupsOf(hits, &wal.Change{}) {
		got = append(got, g.list())
	}
	if want := []string{"[1,2]", "[3,2]"}; !slices.Equal(got, want) {
		t.Errorf("groups of ids = %q; want %q", got, want)
	}
}

// TestARowThatLeavesAViewSaysWhichOfItsKeyIsNoUTF8, and nothing of what is not shown.
func TestARowThatLeavesAViewSaysWhichOfItsKeyIsNoUTF8(t *testing.T) {
	bad, text := wal.Value{Kind: wal.Text, Text: "\xff"}, wal.BuiltinTypeByName("text")
	c := &wal.Change{Operation: wal.Delete, Relation: &wal.Relation{Columns: []wal.Column{{Name: "id", Key: true, Type: text}, {Name: "body", Type: text}}}, Old: wal.Row{bad, bad}}
	columns := &columnSet{mask: []bool{true, true}, key: []bool{true, false}}
	var data struct{ Errors []string }
	if err := json.Unmarshal(appendData(nil, c, dataKey{columns: columns, as: wal.Delete, keyOnly: true}, 1<<20), &data); err != nil {
		t.Fatal(err)
	}
	if want := []string{protocol.ErrorNotUTF8("id")}; !slices.Equal(data.Errors, want) {
		t.Errorf("errors = %q; want %q", data.Errors, want)
	}
}

// BenchmarkIDs takes the same time for each binding, however many there are and
// however many sets of columns they see.
func BenchmarkIDs(b *testing.B) {
	for _, n := range []int{2, 10, 1_000, 10_000} {
		ids := make([]int64, n)
		var separate []hit
		for i := range ids {
			ids[i] = int64(i + 1)
			separate = append(separate, hitsOf(ids[i])...)
		}
		for name, hits := range map[string][]hit{"one": hitsOf(ids...), "each": separate} {
			b.Run(fmt.Sprintf("bindings=%d/columns=%s", n, name), func(b *testing.B) {
				for b.Loop() {
					(&frames{}).groupsOf(hits, &wal.Change{})
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/binding")
			})
		}
	}
}
