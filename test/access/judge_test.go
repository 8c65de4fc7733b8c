package access

import (
	"encoding/json"
	"slices"
	"testing"

	"walcast/replication/wal"
)

// told is what a Postgres of plain values answers, the same for every subject
// unless it is said otherwise.
type told struct {
	seen    []int // eras in which the version is visible
	open    []int // eras without row-level security
	hidden  string
	price   map[int]string
	besides int             // a subject that sees nothing
	read    map[int]reading // by era: what policies read
}

func (t told) visible(era, subject int, _ *version) bool {
	return subject != t.besides && slices.Contains(t.seen, era)
}

func (t told) granted(_, subject, _ int, c string) bool { return subject != t.besides && c != t.hidden }
func (t told) reads(era, _ int) reading                 { return t.read[era] }
func (t told) guarded(era, _, _ int) bool               { return !slices.Contains(t.open, era) }
func (t told) value(era int, _ *version, _ string) json.RawMessage {
	return json.RawMessage(t.price[era])
}

// decade is a history whose changes are each committed from 10·k to 10·k+2, in seconds.
func decade(n int) history {
	h := history{beginning()}
	for k := 1; k < n; k++ {
		h = append(h, change{Label: "x", Before: int64(10 * k * 1e9), After: int64((10*k + 2) * 1e9), LSN: wal.LSN(100 * k)})
	}
	return h
}

func TestErasOverlapWhileAChangeIsCommitted(t *testing.T) {
	h := decade(4)
	for _, tt := range []struct {
		at          float64
		first, last int
	}{{-5, 0, 0}, {10, 0, 1}, {11, 0, 1}, {12, 0, 1}, {12.5, 1, 1}, {19, 1, 1}, {31, 2, 3}, {99, 3, 3}} {
		at := int64(tt.at * 1e9)
		if first, last := h.first(at), h.last(at); first != tt.first || last != tt.last {
			t.Errorf("at %v: eras %d to %d; want %d to %d", tt.at, first, last, tt.first, tt.last)
		}
	}
	for lsn, want := range map[wal.LSN]int{50: 0, 150: 1, 399: 3} {
		if got := h.era(lsn); got != want {
			t.Errorf("era at %d = %d; want %d", lsn, got, want)
		}
	}
}

func TestTheEndOfALife(t *testing.T) {
	h := decade(4)
	ended := &commit{Before: 19e9, After: 21e9}
	if got := h.lifeEnd(nil, ended); got != 2 {
		t.Errorf("replaced while change 2 is committed: lives to era %d; want 2", got)
	}
	ended.Change = 2
	if got := h.lifeEnd(nil, ended); got != 1 {
		t.Errorf("deleted by change 2 itself: lives to era %d; want 1", got)
	}
	if got := h.lifeEnd(nil, nil); got != 3 {
		t.Errorf("never replaced: lives to era %d; want 3", got)
	}
}

// suspect is a suspicion of a version that was committed in era 3 and came in
// era 5; rules may be as old as era 2.
func suspect(p purpose) suspicion {
	w := newWorld(1)
	w.super = true
	for _, t := range w.tables {
		t.identity = "key"
	}
	return suspicion{
		purpose: p, client: &client{name: "c", world: w}, subjects: []int{0}, columns: []string{"id", "body"},
		row:   &version{number: 7, made: &commit{}},
		entry: entry{Kind: shown, Frame: &frame{}}, bounds: bounds{Early: 2, Open: 2, From: 3, Life: 6, Upto: 5},
	}
}

func TestWhatCameMustHaveBeenVisible(t *testing.T) {
	h := decade(8)
	h[5].Data, h[6].Type = true, true
	for name, tt := range map[string]struct {
		said   told
		change func(*suspicion)
		want   string
	}{
		"at some moment":                     {said: told{seen: []int{4}}},
		"never":                              {want: leak},
		"only before it was committed":       {said: told{seen: []int{2}}, want: leak},
		"so, where rules may be older":       {said: told{seen: []int{2}, open: []int{2}}},
		"so, longer ago than is promised":    {said: told{seen: []int{1}, open: []int{1, 2, 3}}, change: func(s *suspicion) { s.Early = 1 }, want: leak},
		"so, and they became stricter":       {said: told{seen: []int{2}, open: []int{2, 3}}},
		"only after it came":                 {said: told{seen: []int{6}}, want: leak},
		"by rules made when it was gone":     {said: told{seen: []int{4}}, change: func(s *suspicion) { s.Life = 3 }, want: outlived},
		"so, and rules of others changed":    {said: told{seen: []int{5}}, change: func(s *suspicion) { s.Life = 3 }, want: outlivedData},
		"by members added when it was gone":  {said: told{seen: []int{5}}, change: func(s *suspicion) { s.Life = 4 }, want: outlivedData},
		"without one of its columns":         {said: told{seen: []int{4}, hidden: "body"}, want: columnLeak},
		"to one of two whom it may be":       {said: told{seen: []int{4}, besides: 1}, change: func(s *suspicion) { s.subjects = []int{1, 0} }},
		"to nobody":                          {said: told{seen: []int{4}}, change: func(s *suspicion) { s.subjects = nil }, want: foreignLeak},
		"to a role that is not to be taken":  {said: told{seen: []int{4}}, change: func(s *suspicion) { s.client.world.super, s.subjects = false, []int{8} }, want: foreignLeak},
		"the key alone, without a row":       {change: func(s *suspicion) { s.purpose, s.columns = seenKey, []string{"id"} }},
		"the key alone, which may not be":    {said: told{hidden: "id"}, change: func(s *suspicion) { s.purpose, s.columns = seenKey, []string{"id"} }, want: keyLeak},
		"with a value that Postgres had":     {said: told{seen: []int{4}, price: map[int]string{2: `{"a":1}`, 3: `{"b":1}`}}, change: priced},
		"so, while its type is changed":      {said: told{seen: []int{4}}, change: func(s *suspicion) { priced(s); s.Early, s.Open, s.From, s.Upto = 5, 5, 4, 6 }},
		"with a value that Postgres had not": {said: told{seen: []int{4}, price: map[int]string{3: `{"b":1}`}}, change: priced, want: stale},
	} {
		s := suspect(seenRow)
		tt.said.besides = max(tt.said.besides, 0)
		if tt.said.besides == 0 {
			tt.said.besides = -1
		}
		if tt.change != nil {
			tt.change(&s)
		}
		if got := kindOf(judge(s, h, tt.said)); got != tt.want {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}

func priced(s *suspicion) {
	s.entry.Frame.Record = map[string]json.RawMessage{"price": json.RawMessage(`{ "a": 1 }`)}
}

func replace(s *suspicion) { s.row.ended = &commit{} }

func unkey(s *suspicion) { s.client.world.tables[s.row.table].identity = "none" }

func kindOf(f *Fault) string {
	if f == nil {
		return ""
	}
	return f.Kind
}

func TestWhatWasVisibleAllTheTimeMustCome(t *testing.T) {
	always := told{seen: []int{2, 3, 4, 5}, besides: -1}
	by := func(r reading) told { t := always; t.read = map[int]reading{4: r}; return t }
	twice, big, names := by(reading{columns: []string{"num", "twice"}}), by(reading{columns: []string{"big"}}), by(reading{names: true})
	for name, tt := range map[string]struct {
		said   told
		change func(*suspicion)
		want   string
	}{
		"visible all the time":            {said: always, want: lost},
		"hidden for a moment":             {said: told{seen: []int{2, 3, 5}, besides: -1}},
		"hidden when rules may be older":  {said: told{seen: []int{3, 4, 5}, besides: -1}},
		"hidden from one whom it may be":  {said: told{seen: always.seen, besides: 1}, change: func(s *suspicion) { s.subjects = []int{0, 1} }},
		"without its key":                 {said: told{seen: always.seen, hidden: "id", besides: -1}},
		"replaced meanwhile":              {said: always, change: replace, want: lostOld},
		"so, and it is looked up":         {said: twice, change: replace, want: lostByKey},
		"so, without row-level security":  {said: func() told { t := twice; t.open = []int{4}; return t }(), change: replace, want: lostOld},
		"so, without a key":               {said: twice, change: func(s *suspicion) { replace(s); unkey(s) }, want: lostOld},
		"so, for a value it lacks":        {said: big, change: func(s *suspicion) { replace(s); s.row.lacks = []string{"big"} }, want: lostByKey},
		"so, and it lacks none":           {said: big, change: replace, want: lostOld},
		"so, for names":                   {said: names, change: func(s *suspicion) { replace(s); s.row.number = closing }, want: lostByKey},
		"so, for names that may be used":  {said: names, change: replace, want: lostOld},
		"replaced after it was looked up": {said: twice, change: func(s *suspicion) { s.row.ended = &commit{Before: 1} }, want: lost},
		"looked up, and not replaced":     {said: twice, want: lost},
		"its DELETE":                      {said: twice, change: func(s *suspicion) { replace(s); s.purpose, s.row.next = undeleted, &written{} }, want: lostDelete},
		"nobody can judge, it was told":   {said: always, change: func(s *suspicion) { s.told, s.unjudged = true, true }},
		"so, or of another reason":        {said: twice, change: func(s *suspicion) { s.told = true; unkey(s) }},
		"a policy raised, it was told":    {said: always, change: func(s *suspicion) { s.told = true }, want: lostTold},
	} {
		s, h := suspect(unseenIt), decade(8)
		if tt.change != nil {
			tt.change(&s)
		}
		h[4].closed = s.row.number == closing
		if got := kindOf(judge(s, h, tt.said)); got != tt.want {
			t.Errorf("%s: %q; want %q", name, got, tt.want)
		}
	}
}

// closing is the number of a version while which the schema app is closed.
const closing = 99

func TestStaysOverlapWhileATokenIsReplaced(t *testing.T) {
	l := &looks{ends: []span{{5e9, 7e9}, {7e9, 9e9}}, calm: []span{{8e9, 9e9}, {9e9, 10e9}}}
	diary := []entry{
		{Time: 1e9, Kind: opened, Subject: 0},
		{Time: 4e9, Kind: refreshed, Subject: 1},
		{Time: 5e9, Kind: answered, Subject: 1},
		{Time: 20e9, Kind: closed},
		{Time: 30e9, Kind: opened, Subject: 2},
	}
	for _, tt := range []struct {
		commit, from, until float64
		want                []int
	}{
		{1, 2, 3, []int{0}},
		{1, 4, 4.5, []int{0, 1}},
		{1, 6, 15.4, []int{0, 1}},
		{1, 15.6, 16, []int{1}},
		{5.1, 6, 15.4, []int{1}}, // committed once the token was replaced
		{1, 21, 25, nil},
		{1, 19, 99, []int{1, 2}},
	} {
		if got := during(stays(diary, l), int64(tt.commit*1e9), int64(tt.from*1e9), int64(tt.until*1e9)); !slices.Equal(got, tt.want) {
			t.Errorf("committed at %v, from %v to %v: %v; want %v", tt.commit, tt.from, tt.until, got, tt.want)
		}
	}
}
