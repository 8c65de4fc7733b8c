package filters

import (
	"fmt"
	"strconv"
	"testing"

	"walcast/internal/once"
	"walcast/replication/wal"
)

// ownRows is a guard like a compiled policy owner = auth.uid().
type ownRows struct{ owner string }

func (g *ownRows) Where(rel *wal.Relation, _ wal.Operation) Expr {
	e, err := Compare(rel, "owner", Eq, g.owner, utc())
	if err != nil {
		panic(err)
	}
	return e
}

// workloads fill an index with n selectors each.
var workloads = []struct {
	name     string
	selector func(i int) Selector
}{
	{"eq", func(i int) Selector { return selecting(fmt.Sprintf("room=eq.%d", i)) }},
	{"range", func(i int) Selector { return selecting(fmt.Sprintf("room=gt.%d,room=lte.%d", 10*i, 10*i+10)) }},
	{"mixed", func(i int) Selector {
		switch i % 4 {
		case 0:
			return selecting(fmt.Sprintf("room=eq.%d,title=like.%%x%%", i))
		case 1:
			return selecting(fmt.Sprintf("title=in.(a%d,b%d)", i, i))
		case 2:
			return selecting(fmt.Sprintf("price=gte.%d.5,price=lt.%d", 10*i, 10*i+10))
		}
		return selecting(fmt.Sprintf("title=like.%%x%d%%", i/4%2)) // the same two at all sizes
	}},
	{"own", func(i int) Selector {
		s := selecting("open=is.true")
		s.Guard = &ownRows{fmt.Sprintf("00000000-0000-4000-8000-%012d", i)}
		return s
	}},
}

func selecting(text string) Selector {
	f, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return Selector{Events: rowEvents, Schema: "public", Table: "rooms", Filter: f}
}

// benchChange matches the selector with the number i, in the workloads where each
// selector wants another row.
func benchChange(rel *wal.Relation, i int) *wal.Change {
	owner := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
	row := rowOf("1", strconv.Itoa(i), "some title", "15.75", owner, "t", "ok", `{"kind": "chat"}`, "{a,b}", "(1,2)")
	return &wal.Change{Operation: wal.Insert, Relation: rel, New: row}
}

// benchChanges are for selectors all over n of them. As in earnest, most of what
// a change needs is not in the processor's cache when there are many.
func benchChanges(n int) []*wal.Change {
	rel, changes := rooms(), make([]*wal.Change, 1<<14)
	for i := range changes {
		changes[i] = benchChange(rel, i*7919%n)
	}
	return changes
}

func filled(n int, selector func(int) Selector) *Index[int] {
	ix := NewIndex[int](utc())
	for i := range n {
		ix.Add(selector(i), i)
	}
	return ix
}

func BenchmarkIndexMatch(b *testing.B) { benchmarkMatch(b, 10, 1_000, 100_000) }

func benchmarkMatch(b *testing.B, sizes ...int) {
	for _, w := range workloads {
		first := 0.0
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/bindings=%d", w.name, n), func(b *testing.B) {
				ix, changes, found, i := filled(n, w.selector), benchChanges(n), 0, 0
				ix.Match(changes[0], func(int, Truth) {})
				b.ReportAllocs()
				for b.Loop() {
					ix.Match(changes[i%len(changes)], func(int, Truth) { found++ })
					i++
				}
				each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
				if n == sizes[0] {
					first = each
				}
				b.ReportMetric(each/first, "of-10")
				b.ReportMetric(float64(found)/float64(b.N), "matches/op")
			})
		}
	}
}

// BenchmarkIndexJoin adds and removes one selector beside others, however many.
func BenchmarkIndexJoin(b *testing.B) { benchmarkJoin(b, 10, 100_000) }

func benchmarkJoin(b *testing.B, sizes ...int) {
	for _, w := range workloads {
		first := 0.0
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/bindings=%d", w.name, n), func(b *testing.B) {
				ix := filled(n, w.selector)
				ix.Match(benchChange(rooms(), 5), func(int, Truth) {})
				s := w.selector(n/4*4 + 5) // of one kind at all sizes
				b.ReportAllocs()
				for b.Loop() {
					ix.Add(s, -1)
					ix.Remove(s, -1)
				}
				each := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
				if n == sizes[0] {
					first = each
				}
				b.ReportMetric(each/first, "of-10")
			})
		}
	}
}

// BenchmarkIndexRefile compiles all selectors anew, as after a change of the
// table or of its policies; the time is for one of them.
func BenchmarkIndexRefile(b *testing.B) { benchmarkRefile(b, 20_000) }

func benchmarkRefile(b *testing.B, bindings int) {
	for _, w := range workloads {
		b.Run(w.name, func(b *testing.B) {
			ix, c := filled(bindings, w.selector), benchChange(rooms(), 5)
			for b.Loop() {
				ix.Invalidate(c.Relation.OID)
				ix.Match(c, func(int, Truth) {})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bindings), "ns/binding")
		})
	}
}

func TestBenchmarksRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){
		"Match":  func(b *testing.B) { benchmarkMatch(b, 10, 100) },
		"Join":   func(b *testing.B) { benchmarkJoin(b, 10) },
		"Refile": func(b *testing.B) { benchmarkRefile(b, 10) },
	})
}
