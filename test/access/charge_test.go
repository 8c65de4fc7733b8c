package access

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"walcast/replication/wal"
)

// stock is a truth of inserted rows, one a second from second 1 on, at the
// positions 10:0, 20:0 and so on; all match every filter.
func stock(w *world, n int) *truth {
	all := &truth{at: map[wal.Position]*written{}}
	for i := 1; i <= n; i++ {
		made := &commit{Before: int64(i * 1e9), After: int64(i*1e9 + 1e6)}
		number, id, body := fmt.Sprint(i), fmt.Sprint(i), mark(int64(i), "body")
		v := &version{
			number: int64(i), id: i, at: at(i), made: made, matches: ^uint64(0),
			values: map[string]*string{"ver": &number, "id": &id, "body": &body, "pin": nil},
		}
		c := &written{kind: "INSERT", at: v.at, made: made, row: v}
		all.at[v.at], all.changes, all.versions = c, append(all.changes, c), append(all.versions, v)
	}
	return all
}

func at(i int) wal.Position { return wal.Position{LSN: wal.LSN(10 * i)} }

// came is the arrival of row i of stock, half a second after its commit.
func came(w *world, i int) entry {
	t := w.tables[0]
	return entry{Time: int64(i*1e9 + 5e8), Kind: shown, At: at(i), Frame: &frame{
		Type: "INSERT", Schema: t.schema, Table: t.name,
		Record: map[string]json.RawMessage{
			"ver": json.RawMessage(fmt.Sprint(i)), "id": json.RawMessage(fmt.Sprint(i)),
			"body": json.RawMessage(`"` + mark(int64(i), "body") + `"`), "pin": json.RawMessage("null"),
		},
	}}
}

func inquire(w *world, of *truth, diary ...entry) *inquiry {
	c := &client{name: "c", world: w, bindings: []binding{{"*", "*", "*", 0}}}
	c.diary.entries = diary
	q := &inquiry{client: c, truth: of, history: history{beginning()}, looks: &looks{}}
	q.arrivals()
	q.absences()
	return q
}

// missed are the numbers of the versions that are suspected to be lost.
func (q *inquiry) missed() (all []int64) {
	for _, s := range q.found {
		if s.purpose == unseenIt {
			all = append(all, s.row.number)
		}
	}
	return all
}

func second(n float64, e entry) entry { e.Time = int64(n * 1e9); return e }

func TestArrivalsAreHeldAgainstWhatWasWritten(t *testing.T) {
	w := newWorld(1)
	forge := func(change func(*entry)) entry {
		e := came(w, 2)
		change(&e)
		return e
	}
	for name, tt := range map[string]struct {
		entry entry
		want  string
	}{
		"as it was":         {came(w, 2), ""},
		"other value":       {forge(func(e *entry) { e.Frame.Record["body"] = json.RawMessage(`"mark-1-body"`) }), "wrong value"},
		"null for a value":  {forge(func(e *entry) { e.Frame.Record["body"] = json.RawMessage(`null`) }), "wrong value"},
		"a column too many": {forge(func(e *entry) { e.Frame.Record["ghost"] = json.RawMessage(`1`) }), "wrong value"},
		"no such position":  {forge(func(e *entry) { e.At.Seq = 9 }), "unknown"},
		"other table":       {forge(func(e *entry) { e.Frame.Table = "t3" }), "not asked for"},
		"in a message":      {entry{Kind: whispered, Text: "mark-2-body"}, "content in a message"},
	} {
		q := inquire(w, stock(w, 3), second(0, entry{Kind: opened}), second(0, entry{Kind: joined, At: at(1)}), tt.entry)
		got := ""
		if len(q.faults) > 0 {
			got = q.faults[0].Kind
		}
		if got != tt.want {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}

func TestAResyncWithoutAChangeOfAccessIsAFault(t *testing.T) {
	w := newWorld(1)
	told := func(from, upto int) entry {
		return second(20.5, entry{Kind: resync, Code: "access_changed", From: at(from), At: at(upto)})
	}
	for name, tt := range map[string]struct {
		told    entry
		changes []int // the seconds at which access changes
		want    int
	}{
		"never":                     {told(5, 10), nil, 1},
		"long before":               {told(5, 10), []int{3}, 1},
		"only after it was told":    {told(5, 10), []int{30}, 1},
		"after the first row":       {told(5, 10), []int{15}, 0},
		"shortly before it":         {told(5, 10), []int{5}, 0},
		"another reason":            {second(20.5, entry{Kind: resync, Code: "unknown", From: at(5), At: at(10)}), nil, 0},
		"of what is not in the log": {told(30, 40), nil, 0},
	} {
		q := inquire(w, stock(w, 20), second(0, entry{Kind: opened}))
		for at := range int64(30) { // looks take a moment every second
			q.looks.ends = append(q.looks.ends, span{at * 1e9, at*1e9 + 1e6})
		}
		for _, at := range tt.changes {
			q.history = append(q.history, change{Before: int64(at) * 1e9, After: int64(at)*1e9 + 1e6})
		}
		q.client.diary.entries = append(q.client.diary.entries, tt.told)
		q.resyncs()
		if len(q.faults) != tt.want {
			t.Errorf("%s: %v; want %d faults", name, q.faults, tt.want)
		}
	}
}

func TestEveryArrivalIsSuspected(t *testing.T) {
	w := newWorld(1)
	q := inquire(w, stock(w, 3), second(0, entry{Kind: opened, Subject: 4}), second(0, entry{Kind: joined, At: at(1)}), came(w, 2))
	if len(q.found) != 1 || q.found[0].row.number != 2 || !slices.Equal(q.found[0].subjects, []int{4}) ||
		!slices.Equal(q.found[0].columns, []string{"body", "id", "pin", "ver"}) {
		t.Errorf("suspicions %+v; want one of version 2 with its four columns, for subject 4", q.found)
	}
}

func TestWhatIsPassedOverIsSuspected(t *testing.T) {
	w := newWorld(1)
	opens, joins, arms := second(0, entry{Kind: opened}), second(0, entry{Kind: joined, At: at(1)}), second(0.1, entry{Kind: armed})
	reach := func(n float64, i int) entry { return second(n, entry{Kind: progress, At: at(i)}) }
	for name, tt := range map[string]struct {
		diary []entry
		want  []int64
	}{
		"by a row":                          {[]entry{opens, joins, arms, came(w, 2), came(w, 5)}, []int64{3, 4}},
		"by an answer":                      {[]entry{opens, joins, arms, came(w, 2), reach(9, 4)}, []int64{3, 4}},
		"before the bindings work":          {[]entry{opens, joins, came(w, 4), second(5, arms), reach(9, 5)}, []int64{2, 3, 5}},
		"while they never work":             {[]entry{opens, joins, reach(9, 5)}, nil},
		"given up by a resync":              {[]entry{opens, joins, arms, second(4, entry{Kind: resync, From: at(2), At: at(4)}), came(w, 5)}, []int64{2}},
		"before an error":                   {[]entry{opens, joins, arms, reach(3, 3), second(4, entry{Kind: trouble, Code: "x"}), reach(9, 5)}, nil},
		"between an error and its end":      {[]entry{opens, joins, second(1.5, entry{Kind: trouble, Code: "x"}), second(4.5, arms), second(5, came(w, 2)), reach(99, 5)}, []int64{5}},
		"before a policy raised":            {[]entry{opens, joins, arms, second(4, entry{Kind: trouble, Code: "policy_raised"}), reach(9, 2)}, []int64{2}},
		"in a new connection":               {[]entry{opens, joins, arms, reach(2, 2), second(3, entry{Kind: closed}), second(4, opens), second(4, entry{Kind: joined, At: at(4)}), second(4, arms), reach(9, 5)}, []int64{2, 5}},
		"in a connection that goes on":      {[]entry{opens, joins, arms, came(w, 2), second(3, entry{Kind: closed}), second(4, entry{Kind: opened, Back: named, From: at(2)}), second(4, entry{Kind: joined, At: at(2)}), second(4, arms), reach(9, 4)}, []int64{3, 4}},
		"so, by client_id":                  {[]entry{opens, joins, arms, came(w, 2), second(3, entry{Kind: closed}), second(4, entry{Kind: opened, Back: remembered}), second(4, entry{Kind: joined, At: at(4)}), second(4, arms), reach(9, 4)}, []int64{3, 4}},
		"so, after the channel was left":    {[]entry{opens, joins, arms, came(w, 2), second(3, entry{Kind: left}), second(3, entry{Kind: closed}), second(4, entry{Kind: opened, Back: remembered}), second(4, entry{Kind: joined, At: at(4)}), second(4, arms), reach(9, 5)}, []int64{5}},
		"so, with a row on its way then":    {[]entry{opens, joins, arms, second(3, entry{Kind: left}), came(w, 2), second(3, entry{Kind: closed}), second(4, entry{Kind: opened, Back: remembered}), second(4, entry{Kind: joined, At: at(4)}), second(4, arms), reach(9, 5)}, []int64{5}},
		"and came in the connection before": {[]entry{opens, joins, arms, came(w, 2), came(w, 3), second(4, entry{Kind: closed}), second(4, entry{Kind: opened, Back: named, From: at(2)}), second(4, entry{Kind: joined, At: at(2)}), second(4, arms), reach(9, 3)}, nil},
	} {
		q := inquire(w, stock(w, 5), tt.diary...)
		if got := q.missed(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v; want %v", name, got, tt.want)
		}
		if n := len(tt.diary); tt.diary[n-2].Kind == resync && q.givenUp != 2 {
			t.Errorf("%s: a resync gave up %d; want 2", name, q.givenUp)
		}
	}
}

func TestADeleteThatIsPassedOverIsSuspectedUnlessAFilterDecides(t *testing.T) {
	w := newWorld(1)
	for filter, want := range []int{1, 0} {
		of := stock(w, 3)
		gone := of.versions[1]
		gone.ended = &commit{Before: 4e9, After: 4e9}
		gone.next = &written{kind: "DELETE", at: at(4), made: gone.ended, old: gone}
		of.changes = append(of.changes, gone.next)
		c := &client{name: "c", world: w, bindings: []binding{{"*", "*", "*", filter}}}
		c.diary.entries = []entry{
			second(0, entry{Kind: opened}), second(0, entry{Kind: joined, At: at(3)}), second(0.1, entry{Kind: armed}),
			second(9, entry{Kind: progress, At: at(5)}),
		}
		q := &inquiry{client: c, truth: of, history: history{beginning()}, looks: &looks{}}
		q.absences()
		if len(q.found) != want {
			t.Fatalf("with filter %d, %d suspicions; want %d", filter, len(q.found), want)
		}
		if want > 0 && (q.found[0].purpose != undeleted || q.found[0].row != gone || q.found[0].change() != at(4)) {
			t.Errorf("suspicion %+v; want one of the DELETE of version 2", q.found[0])
		}
	}
}

func TestTheFateOfWhatDidNotCome(t *testing.T) {
	w := newWorld(1)
	of := stock(w, 3)
	of.versions[0].next = of.changes[1]
	of.versions[1].next = of.changes[2]
	c := &client{name: "c", world: w, bindings: []binding{{"INSERT", "*", "*", 0}}}
	a := absence{inquiry: &inquiry{client: c, truth: of}, got: map[wal.Position]bool{}}
	for _, tt := range []struct {
		prepare   func()
		want, end string
	}{
		{func() {}, "; INSERT at 0/14:0, committed 00:00:02.000; INSERT at 0/1E:0, committed 00:00:03.000", "hidden or not reached"},
		{func() { a.got[at(3)] = true }, "; INSERT at 0/14:0, committed 00:00:02.000; INSERT at 0/1E:0, committed 00:00:03.000, which came", "came"},
		{func() { c.bindings[0].event = "UPDATE" }, "; INSERT at 0/14:0, committed 00:00:02.000, which was not asked for; INSERT at 0/1E:0, committed 00:00:03.000, which came", "came"},
	} {
		tt.prepare()
		if got := a.fate(of.versions[0]); got != (fate{tt.want, tt.end}) {
			t.Errorf("fate %q; want %q, %s", got, tt.want, tt.end)
		}
	}
}
