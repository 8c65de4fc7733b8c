package relay

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

// relation is a Relation message of a table.
func relation(oid uint32, text string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'R'}, oid), text...)
}

// streamOf is a stream with so many transactions of a batch each.
func streamOf(term Term, from wal.LSN, transactions int) (batches []Batch) {
	w := NewWriter(term, from, opening, func(b Batch) { batches = append(batches, b) })
	for i := range transactions {
		w.Message(fmt.Appendf(nil, "B%d", i), 0)
		w.Message(relation(uint32(i%2), fmt.Sprintf(" as of %d", i)), 0)
		w.Message(fmt.Appendf(nil, "C%d", i), from+wal.LSN(10*(i+1)))
		w.Flush()
	}
	return batches
}

func TestStoreAnswers(t *testing.T) {
	first, second := streamOf(Term{Begun: 1}, 100, 3), streamOf(Term{Begun: 2}, 120, 2)
	full := NewStore(Config{Bytes: 1 << 20, Window: time.Minute})
	for _, b := range slices.Concat(first, second) {
		full.Add(start, b)
	}
	for _, test := range []struct {
		name  string
		place Place
		want  []string // term and number of the batches
	}{
		{"has nothing", Place{}, []string{"1/1", "1/2", "1/3", "1/4", "2/1", "2/2", "2/3"}},
		{"misses the end of a stream", Place{Term{Begun: 1}, 3, 120}, []string{"1/4", "2/1", "2/2", "2/3"}},
		{"has a stream to its end", Place{Term{Begun: 1}, 4, 130}, []string{"2/1", "2/2", "2/3"}},
		{"is within a stream that nobody has", Place{Term{}, 9, 125}, []string{"2/1", "2/2", "2/3"}},
		{"decodes anew", Place{UpTo: 125}, []string{"2/1", "2/2", "2/3"}},
		{"has all", Place{Term{Begun: 2}, 3, 140}, nil},
		{"is ahead", Place{Term{Begun: 3}, 1, 150}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := full.Answer(Question{test.place})
			var got []string
			for _, b := range a.Batches {
				got = append(got, fmt.Sprintf("%d/%d", b.Term.Begun, b.Number))
			}
			if diff := cmp.Diff(test.want, got); diff != "" || a.Gap || a.UpTo != 140 {
				t.Errorf("gap %v, up to %s (-want +got):\n%s", a.Gap, a.UpTo, diff)
			}
			if len(a.Batches) > 0 && !test.place.goesOnWith(a) {
				t.Errorf("%+v does not go on with its own answer", test.place)
			}
		})
	}
}

// TestStoreForgets has what was told of tables stay when the batches that told it go.
func TestStoreForgets(t *testing.T) {
	batches := streamOf(Term{Begun: 1}, 100, 6)
	s := NewStore(Config{Bytes: 1 << 20, Window: time.Minute})
	for i, b := range batches {
		s.Add(start.Add(time.Duration(i)*time.Second), b)
	}
	s.Expire(start.Add(time.Minute + 4*time.Second + time.Millisecond)) // the opening and four transactions have left
	a := s.Answer(Question{})
	if len(a.Batches) != 3 || !a.Batches[0].Prelude || a.Gap {
		t.Fatalf("answer %+v; want a prelude and two batches", a)
	}
	got := told(t, a.Batches[0])
	slices.Sort(got)
	if diff := cmp.Diff([]string{string(relation(0, " as of 2")), string(relation(1, " as of 3"))}, got); diff != "" {
		t.Errorf("prelude (-want +got):\n%s", diff)
	}
	late := s.Answer(Question{Place{Term{Begun: 1}, 2, 110}})
	if !late.Gap || !late.Batches[0].Prelude || late.Batches[0].Prev != 140 {
		t.Errorf("answer %+v; want that there is a gap up to 0/8C", late)
	}
	other := NewStore(Config{Bytes: 1 << 20, Window: time.Minute})
	for _, b := range a.Batches { // who began with the prelude gives it on
		other.Add(start, b)
	}
	if diff := cmp.Diff(a, other.Answer(Question{}), cmp.Transformer("told", func(b Batch) []string {
		all := append(told(t, b), fmt.Sprint(b.Number, b.Prev, b.Last, b.Prelude))
		slices.Sort(all)
		return all
	})); diff != "" {
		t.Errorf("answer of a node that began with one (-first +second):\n%s", diff)
	}
}

// TestStoreBeginsOutsideOfTransactions has a transaction that is larger than the store.
func TestStoreBeginsOutsideOfTransactions(t *testing.T) {
	s := NewStore(Config{Bytes: 1 << 20, Window: time.Minute})
	w := NewWriter(Term{Begun: 1}, 100, opening, func(b Batch) { s.Add(start, b) })
	row := make([]byte, 100<<10)
	w.Message([]byte("B"), 0)
	for range 50 {
		w.Message(row, 0)
	}
	if s.Bytes() > 1<<20+MostRecords {
		t.Errorf("%d bytes are kept; want 1 MiB and a batch at most", s.Bytes())
	}
	if a := s.Answer(Question{}); len(a.Batches) > 0 {
		t.Errorf("a node is to begin inside of a transaction: %d batches", len(a.Batches))
	}
	w.Message([]byte("C"), 110)
	w.Keepalive(120)
	w.Flush()
	w.Keepalive(130)
	w.Flush()
	if a := s.Answer(Question{}); len(a.Batches) != 2 || !a.Batches[0].Prelude || a.Batches[0].Prev != 120 {
		t.Errorf("answer %+v; want that a node begins behind the transaction", a)
	}
}
