package relay

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/nodes"
	"walcast/replication/changelog"
)

// FuzzBatch has whatever is read written and read again.
func FuzzBatch(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{format + 1})
	f.Add(Batch{Number: 1}.Encode())
	f.Add(Batch{Term: Term{1, 2, 3}, Number: 4, Prev: 5, Last: 6, Inside: true, Records: appendRecord(nil, KindMessage, []byte("B"))}.Encode())
	f.Fuzz(func(t *testing.T, message []byte) {
		b, err := DecodeBatch(message)
		var newer nodes.NewerError
		if errors.As(err, &newer) != (len(message) > 0 && message[0] > format) {
			t.Errorf("DecodeBatch(%x) = %v; want that it is of a newer version just where it is", message, err)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(message, b.Encode()); diff != "" {
			t.Errorf("written again (-before +after):\n%s", diff)
		}
		var place Place
		place.Judge(b)
		store := NewStore(Config{Bytes: 1 << 20})
		store.Add(start, b)
		store.Answer(Question{})
	})
}

// FuzzAnswer does the same with answers and questions.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{})
	f.Add(Answer{Gap: true, UpTo: 7, Batches: []Batch{{Number: 1}, {Number: 2, Records: appendRecord(nil, KindKeepalive, make([]byte, 8))}}}.Encode())
	f.Add(Question{Place{Term{1, 2, 3}, 4, 5}}.Encode())
	f.Fuzz(func(t *testing.T, message []byte) {
		if q, err := DecodeQuestion(message); err == nil {
			if diff := cmp.Diff(message, q.Encode()); diff != "" {
				t.Errorf("question written again (-before +after):\n%s", diff)
			}
		}
		a, err := DecodeAnswer(message)
		if err != nil {
			return
		}
		again, err := DecodeAnswer(a.Encode())
		if diff := cmp.Diff(a, again); diff != "" || err != nil {
			t.Errorf("answer read again (-before +after): %v\n%s", err, diff)
		}
	})
}

func FuzzOpening(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add(Opening{History: changelog.History{System: "1", Timeline: 1, Slot: "s"}}.encode())
	f.Fuzz(func(t *testing.T, payload []byte) {
		o, err := DecodeOpening(payload)
		if err != nil {
			return
		}
		again, err := DecodeOpening(o.encode())
		if diff := cmp.Diff(o, again); diff != "" || err != nil {
			t.Errorf("read again (-before +after): %v\n%s", err, diff)
		}
	})
}
