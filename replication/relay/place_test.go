package relay

import (
	"testing"

	"walcast/replication/wal"
)

func TestJudge(t *testing.T) {
	older, present, newer := Term{Timeline: 1, Begun: 50}, Term{Timeline: 1, Begun: 100, At: 1}, Term{Timeline: 1, Begun: 100, At: 2}
	at := Place{Term: present, Number: 7, UpTo: 200}
	batch := func(term Term, number uint64, prev, last wal.LSN) Batch {
		return Batch{Term: term, Number: number, Prev: prev, Last: last, Records: []byte{2, KindMessage, 'B'}}
	}
	beat := func(term Term, number uint64) Batch { return Batch{Term: term, Number: number} }
	for _, test := range []struct {
		name  string
		place Place
		batch Batch
		want  Verdict
	}{
		{"the next one", at, batch(present, 8, 200, 210), Take},
		{"came twice", at, batch(present, 7, 190, 200), Drop},
		{"one is missing", at, batch(present, 9, 210, 220), Hole},
		{"a beat", at, beat(present, 7), Nothing},
		{"an old beat", at, beat(present, 6), Drop},
		{"the last one is missing", at, beat(present, 8), Hole},
		{"of a reader that was frozen", at, batch(older, 8, 200, 210), Drop},
		{"a beat of it", at, beat(older, 9), Drop},
		{"the next reader begins where this is", at, batch(newer, 1, 200, 210), Take},
		{"the next reader begins before that", at, batch(newer, 1, 100, 110), Take},
		{"the next reader begins behind it", at, batch(newer, 1, 201, 210), Hole},
		{"the next reader has begun", at, batch(newer, 2, 200, 210), Hole},
		{"a beat of the next reader", at, beat(newer, 1), Hole},
		{"a later timeline has less", at, batch(Term{Timeline: 2, Begun: 1}, 1, 200, 210), Take},
		{"has nothing", Place{}, batch(present, 1, 100, 110), Hole},
		{"has nothing, a beat", Place{}, beat(present, 3), Hole},
		{"begins anew", Place{UpTo: 200}, batch(present, 8, 200, 210), Hole},
		{"begins anew with a stream", Place{UpTo: 200}, batch(present, 1, 200, 210), Take},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.place.Judge(test.batch); got != test.want {
				t.Errorf("Judge = %d; want %d", got, test.want)
			}
		})
	}
}

func TestOtherWAL(t *testing.T) {
	at := Place{Term: Term{Timeline: 1, Begun: 100}, UpTo: 200}
	for _, test := range []struct {
		term Term
		want bool
	}{
		{Term{Timeline: 1, Begun: 50}, true}, // the WAL ends before what has come: it is an older state
		{Term{Timeline: 1, Begun: 100, At: -1}, true},
		{Term{Timeline: 0, Begun: 300}, false},
		{Term{Timeline: 1, Begun: 250}, false}, // newer, and judged as such
	} {
		if got := at.IsOther(test.term); got != test.want {
			t.Errorf("IsOther(%+v) = %v; want %v", test.term, got, test.want)
		}
	}
}
