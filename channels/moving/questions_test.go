package moving

import (
	"fmt"
	"testing"
	"time"

	"walcast/channels/resume"
)

// TestWhatAClientLacksIsSaidByTheNodeThatHadItLast: another that had it before may have kept
// broadcasts of a time in which the client might not read.
func TestWhatAClientLacksIsSaidByTheNodeThatHadItLast(t *testing.T) {
	older, newer := told("a", 5), told("a", 7)
	again := told("a", 7)
	for name, c := range map[string]struct {
		answers []message
		want    string // what is handed over
		quiet   bool
	}{
		"one alone": {[]message{
			{run: "last", told: []*resume.Told{newer}, more: true}, {run: "last", ids: []resume.ID{newer.ID}, missed: [][]byte{[]byte("new")}},
		}, "new", true},
		"one that had it before says so first": {[]message{
			{run: "before", told: []*resume.Told{older}, more: true},
			{run: "before", ids: []resume.ID{older.ID}, missed: [][]byte{[]byte("old")}},
			{run: "last", told: []*resume.Told{newer}},
		}, "", false},
		"one that knows as much says so later": {[]message{
			{run: "last", told: []*resume.Told{newer}, more: true},
			{run: "before", told: []*resume.Told{again}, more: true},
			{run: "last", ids: []resume.ID{newer.ID}, missed: [][]byte{[]byte("new")}},
			{run: "before", ids: []resume.ID{newer.ID}, missed: [][]byte{[]byte("old")}},
		}, "new", true},
	} {
		q := questions{asked: map[uint64]*question{}}
		f := q.add(newer.ID)
		asked := q.next(map[string]*source{"last": {}, "before": {}}, time.Now())
		for _, a := range c.answers {
			a.kind, a.number = kindAnswer, asked.number
			q.answer(&a)
		}
		got := ""
		for _, missed := range f.found.Missed {
			got += string(missed)
		}
		if got != c.want || f.found.Quiet != c.quiet || f.found.Told != newer {
			t.Errorf("%s: handed over %q, complete %v, of %+v; want %q, %v", name, got, f.found.Quiet, f.found.Told, c.want, c.quiet)
		}
	}
}

// TestWhoDoesNotWaitAnyMoreIsNotAskedFor: as long as there is no bus nobody is asked.
func TestWhoDoesNotWaitAnyMoreIsNotAskedFor(t *testing.T) {
	q := questions{asked: map[uint64]*question{}}
	for range 100 {
		q.add(idOf("a")).end(false)
	}
	if len(q.waiting) > 1 {
		t.Errorf("%d are kept that nobody waits for", len(q.waiting))
	}
	if m := q.next(map[string]*source{"r": {}}, time.Now()); m != nil || len(q.asked) != 0 {
		t.Errorf("asked %+v; want nothing", m)
	}
}

// TestAQuestionAsksForNoMoreThanAnswersHaveRoomFor in one message of the bus.
func TestAQuestionAsksForNoMoreThanAnswersHaveRoomFor(t *testing.T) {
	q, here := questions{asked: map[uint64]*question{}}, map[string]*source{"a": {}}
	for n := range 2*clientsInPart + 1 {
		q.add(idOf(fmt.Sprint(n)))
	}
	for i, want := range []int{clientsInPart, clientsInPart, 1} {
		if m := q.next(here, time.Now()); m == nil || len(m.ids) != want {
			t.Errorf("question %d: %+v; want %d clients", i, m, want)
		}
	}
	if m := q.next(here, time.Now()); m != nil {
		t.Errorf("one more question: %+v", m)
	}
}
