package relay

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

var (
	start   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	opening = Opening{History: changelog.History{System: "1", Timeline: 1, Slot: "s"}}
)

// written collects what a writer emits.
func written(from wal.LSN, do func(w *Writer)) (batches []Batch) {
	do(NewWriter(Term{Begun: 1}, from, opening, func(b Batch) { batches = append(batches, b) }))
	return batches
}

// told is what records say: messages as they are, keepalives as their LSN.
func told(t *testing.T, batches ...Batch) (all []string) {
	t.Helper()
	var part []byte
	for _, b := range batches {
		if err := b.Each(func(kind byte, payload []byte) error {
			switch kind {
			case KindPart:
				part = append(part, payload...)
			case KindMessage:
				all = append(all, string(append(part, payload...)))
				part = nil
			case KindKeepalive:
				end, err := KeepaliveLSN(payload)
				all = append(all, end.String())
				return err
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestWriterFlushesWholeTransactions(t *testing.T) {
	batches := written(10, func(w *Writer) {
		w.Message([]byte("B1"), 0)
		w.Flush()
		w.Message([]byte("C1"), 20)
		w.Message([]byte("B2"), 0)
		w.Flush()
		w.Flush()
		w.Message([]byte("C2"), 30)
		w.Keepalive(25) // says nothing new
		w.Keepalive(40)
		w.Flush()
		if got, want := w.Beat(), (Batch{Term: Term{Begun: 1}, Number: 3, Prev: 40, Last: 40}); !cmp.Equal(got, want) {
			t.Errorf("Beat() = %+v; want %+v", got, want)
		}
	})
	type line struct {
		Number     uint64
		Prev, Last wal.LSN
		Inside     bool
		Told       []string
	}
	var got []line
	for _, b := range batches {
		got = append(got, line{b.Number, b.Prev, b.Last, b.Inside, told(t, b)})
	}
	want := []line{{1, 10, 10, false, nil}, {2, 10, 20, false, []string{"B1", "C1"}}, {3, 20, 40, false, []string{"B2", "C2", "0/28"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
}

// TestWriterCutsWhatIsLarge has a transaction that does not fit into a batch, and a
// message that does not.
func TestWriterCutsWhatIsLarge(t *testing.T) {
	large, row := bytes.Repeat([]byte("large "), 300_000), bytes.Repeat([]byte("row "), 25_000)
	want := []string{"B"}
	batches := written(10, func(w *Writer) {
		w.Message([]byte("B"), 0)
		for range 10 {
			w.Message(row, 0)
			want = append(want, string(row))
		}
		w.Message(large, 0)
		w.Message([]byte("C"), 20)
		w.Flush()
		want = append(want, string(large), "C")
	})
	if got := told(t, batches...); !cmp.Equal(got, want) {
		t.Errorf("what was told differs: %d messages, want %d", len(got), len(want))
	}
	for i, b := range batches {
		if size := len(b.Encode()); size > 512<<10 {
			t.Errorf("batch %d has %d bytes; want 512 KiB at most", b.Number, size)
		}
		if b.Number != uint64(i+1) || i > 0 && b.Prev != batches[i-1].Last {
			t.Errorf("batch %d is number %d from %s", i+1, b.Number, b.Prev)
		}
		if wantInside := i > 1; b.Inside != wantInside {
			t.Errorf("batch %d: inside %v; want %v", b.Number, b.Inside, wantInside)
		}
	}
}
