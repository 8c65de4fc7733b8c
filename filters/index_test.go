package filters

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"walcast/replication/wal"
)

// guardOf is a guard that demands an expression of some operations.
type guardOf struct {
	text string // a filter
	only EventSet
	lack string // a column without which a row passes; "" for none
}

func (g *guardOf) Where(rel *wal.Relation, op wal.Operation) Expr {
	if !g.only.Has(op) {
		return nil
	}
	f, err := Parse(g.text)
	if err != nil {
		panic(err)
	}
	e, err := compile(rel, f, utc().certainty())
	if err != nil {
		return Constant(False)
	}
	if g.lack != "" {
		return Or(e, Lacks(rel, rel.Column(g.lack)))
	}
	return e
}

// conditionTexts are conditions on rooms, such that rows and they meet.
func conditionTexts() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{
		"id=eq.1", "id=eq.2", "id=eq.01", "id=neq.1", "id=in.(1,2,3)", "id=in.(1,NULL)", "id=in.()", "id=not.in.(1,2)", "id=gt.1", "id=gte.2", "id=lt.3", "id=lte.1", "id=not.lt.2",
		"id=is.null", "id=not.is.null", "id=isdistinct.1", "id=not.isdistinct.2", "id=eq.x", "none=eq.1",
		"room=eq.1", "room=gt.0", "room=lt.2", "room=gte.1", "room=lt.9000000000000000000",
		"title=eq.a", "title=eq.", "title=like.a%", "title=ilike.%B%", "title=not.like.a%", "title=match.^a", "title=match.(?=a)", "title=gt.a", "title=in.(a,b)", "title=lte.b",
		"price=eq.1.0", "price=eq.1.00", "price=gt.0.5", "price=in.(1,2.50)", "price=lt.NaN", "price=eq.NaN",
		"owner=eq.00000000-0000-4000-8000-000000000001", "owner=eq.{00000000-0000-4000-8000-00000000000A}", "owner=neq.00000000-0000-4000-8000-000000000001",
		"open=is.true", "open=not.is.true", "open=is.unknown", "open=eq.f",
		"mood=eq.ok", "mood=gt.sad", "mood=eq.new", "mood=lte.ok",
		"data->>kind=eq.chat", "data->n=eq.1", "data->list->0=eq.2", "data->>kind=is.null", `data=cs."{""kind"":1}"`, `data=eq."{\"n\": 1.0}"`,
		"tags=cs.{a}", "tags=ov.{a,b}", "tags=cd.{a,b,c}", "tags=eq.{a}",
		"shape=eq.(1,2)", "shape=not.eq.(1,2)",
		"or=(id.eq.1,id.eq.3)", "or=(id.eq.1,room.eq.1)", "or=(id.gt.2,and(title.eq.a,open.is.true))", "or=(id.eq.1,title.like.b%)", "not.or=(id.eq.1,room.eq.1)", "and=(id.gt.0,id.lt.3)",
		"or=(shape.eq.(1,2),id.eq.1)",
	})
}

func rowTexts() *rapid.Generator[wal.Row] {
	column := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(append(values, "-", "?")) }
	columns := []*rapid.Generator[string]{
		column("1", "2", "3", "-1"), column("0", "1", "9223372036854775807"), column("a", "b", "", "abc", "ä"), column("1.0", "1", "2.5", "0.50", "NaN"),
		column("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-00000000000a"), column("t", "f"), column("sad", "ok", "happy", "new"),
		column(`{"kind": "chat", "n": 1.0}`, `{"kind": null, "list": [2, 3]}`, `[]`, `{"n": 1.00}`, `{"a": 1e5}`), column("{}", "{a}", "{a,b}", "{{a},{b}}", "{NULL,a}"), column("(1,2)", "(0,0)"),
	}
	return rapid.Custom(func(t *rapid.T) wal.Row {
		texts := make([]string, len(columns))
		for i, c := range columns {
			texts[i] = c.Draw(t, "value")
		}
		return rowOf(texts...)
	})
}

func selectors(guards []*guardOf) *rapid.Generator[Selector] {
	return rapid.Custom(func(t *rapid.T) Selector {
		text := ""
		for _, c := range rapid.SliceOfN(conditionTexts(), 0, 3).Draw(t, "conditions") {
			if text != "" {
				text += ","
			}
			text += c
		}
		f, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		s := Selector{
			Events: rapid.SampledFrom([]EventSet{rowEvents, rowEvents, Events(wal.Insert), Events(wal.Delete, wal.Update), Events(wal.Truncate), rowEvents | Events(wal.Truncate)}).Draw(t, "events"),
			Schema: rapid.SampledFrom([]string{"public", "public", "*", "other"}).Draw(t, "schema"),
			Table:  rapid.SampledFrom([]string{"rooms", "rooms", "*", "halls"}).Draw(t, "table"),
			Filter: f,
		}
		if i := rapid.IntRange(-2, len(guards)-1).Draw(t, "guard"); i >= 0 {
			s.Guard = guards[i]
		}
		return s
	})
}

// entry is one Add.
type entry struct {
	selector Selector
	value    int
}

// naive evaluates every selector.
func naive(entries []entry, c *wal.Change) (matched, doubtful []int) {
	row := map[wal.Operation]wal.Row{wal.Insert: c.New, wal.Update: c.New, wal.Delete: c.Old}[c.Operation]
	type pair struct {
		key   string
		value int
	}
	seen := map[pair]bool{}
	for _, e := range entries {
		s := e.selector
		if !s.Events.Has(c.Operation) || !(tableName{s.Schema, s.Table}).covers(c.Relation.Schema, c.Relation.Table) {
			continue
		}
		name, key := s.key()
		p := pair{fmt.Sprint(name, key), e.value}
		if seen[p] {
			continue
		}
		seen[p] = true
		where := Constant(True)
		if c.Operation != wal.Truncate {
			var err error
			if where, err = compile(c.Relation, s.Filter, utc().certainty()); err != nil {
				continue
			}
		}
		if s.Guard != nil {
			if visible := s.Guard.Where(c.Relation, c.Operation); visible != nil {
				where = And(where, visible)
			}
		}
		switch demandEach(where, row) {
		case True:
			matched = append(matched, e.value)
		case Undecided:
			doubtful = append(doubtful, e.value)
		}
	}
	slices.Sort(matched)
	slices.Sort(doubtful)
	return matched, doubtful
}

// demandEach decides the conjuncts one by one: each must be true.
func demandEach(e Expr, row wal.Row) Truth {
	parts := conjunction{e}
	if c, ok := e.(conjunction); ok {
		parts = c
	}
	all := True
	for _, part := range parts {
		t := part.Eval(row)
		if t == False || t == Unknown {
			return t
		}
		all = all.and(t)
	}
	return all
}

// halls is rooms under another name and OID, with one column less.
func halls() *wal.Relation {
	r := *rooms()
	r.OID, r.Table = 16401, "halls"
	r.Columns = r.Columns[:len(r.Columns)-1]
	return wal.NewRelation(r)
}

// renamed is rooms after ALTER TABLE: id is text.
func altered() *wal.Relation {
	r := *rooms()
	r.Columns = slices.Clone(r.Columns)
	r.Columns[0].Type = builtin(25, "text")
	return wal.NewRelation(r)
}

func TestIndexMatchesWhatEverySelectorWould(t *testing.T) {
	guards := []*guardOf{
		{"owner=eq.00000000-0000-4000-8000-000000000001", rowEvents, ""},
		{"owner=eq.00000000-0000-4000-8000-00000000000a", rowEvents | Events(wal.Truncate), ""},
		{"or=(open.is.true,owner.eq.00000000-0000-4000-8000-000000000001)", Events(wal.Insert, wal.Update), ""},
		{"shape=eq.(1,2)", rowEvents, ""},
		{"owner=eq.00000000-0000-4000-8000-000000000001", rowEvents, "owner"},
		{"and=(open.is.true,id.gt.1)", Events(wal.Delete), "open"},
	}
	rapid.Check(t, func(t *rapid.T) {
		ix := NewIndex[int](utc())
		var entries []entry
		relations := []*wal.Relation{rooms(), halls(), altered(), rooms()}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				e := entry{selectors(guards).Draw(t, "selector"), rapid.IntRange(0, 30).Draw(t, "value")}
				entries = append(entries, e)
				ix.Add(e.selector, e.value)
			},
			"add many": func(t *rapid.T) {
				s := selectors(guards).Draw(t, "selector")
				for v := range 25 {
					entries = append(entries, entry{s, v})
					ix.Add(s, v)
				}
			},
			"remove": func(t *rapid.T) {
				if len(entries) == 0 {
					return
				}
				i := rapid.IntRange(0, len(entries)-1).Draw(t, "which")
				ix.Remove(entries[i].selector, entries[i].value)
				entries = slices.Delete(entries, i, i+1)
			},
			"remove what is not there": func(t *rapid.T) {
				ix.Remove(selectors(guards).Draw(t, "selector"), 99)
			},
			"invalidate": func(*rapid.T) { ix.Invalidate(16400) },
			"match": func(t *rapid.T) {
				c := &wal.Change{
					Operation: rapid.SampledFrom([]wal.Operation{wal.Insert, wal.Update, wal.Delete, wal.Truncate}).Draw(t, "operation"),
					Relation:  rapid.SampledFrom(relations).Draw(t, "relation"),
					New:       rowTexts().Draw(t, "new"),
					Old:       rowTexts().Draw(t, "old"),
				}
				checkMatch(t, ix, entries, c)
			},
			"": func(t *rapid.T) {
				if ix.Len() != len(entries) {
					t.Fatalf("Len = %d after %d were added and not removed", ix.Len(), len(entries))
				}
			},
		})
	})
}

func checkMatch(t *rapid.T, ix *Index[int], entries []entry, c *wal.Change) {
	matched, doubtful := naive(entries, c)
	got := map[Truth][]int{}
	ix.Match(c, func(v int, truth Truth) { got[truth] = append(got[truth], v) })
	slices.Sort(got[True])
	slices.Sort(got[Undecided])
	if diff := cmp.Diff(matched, got[True]); diff != "" {
		t.Errorf("Match of %s %v differs from asking each (-want +got):\n%s", c.Operation, c.New, diff)
	}
	if diff := cmp.Diff(doubtful, got[Undecided]); diff != "" {
		t.Errorf("what Match of %s %v leaves undecided differs from asking each (-want +got):\n%s", c.Operation, c.New, diff)
	}
}
