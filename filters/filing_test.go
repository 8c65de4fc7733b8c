package filters

import (
	"fmt"
	"strings"
	"testing"

	"walcast/replication/wal"
)

// String is a filing on a line.
func (f Filing) String() string {
	if f.Never {
		return "never"
	}
	lookups := func(all []Lookup) string {
		var texts []string
		for _, l := range all {
			texts = append(texts, fmt.Sprintf("%s on %s", l.Kind, l.Column))
		}
		return strings.Join(texts, " and ")
	}
	text := "each"
	if len(f.Lookups) > 0 {
		text = lookups(f.Lookups)
	}
	for _, other := range f.Others {
		text += ", or " + lookups(other)
	}
	if f.Rest != "" {
		text += "; then " + f.Rest
	}
	for _, a := range f.Asked {
		text += fmt.Sprintf("; asked (%s): %s", a.Why, a.Condition)
	}
	return text
}

func TestFilingsSayHowASelectorIsFound(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "each",
		"id=eq.1":                        "hash on id",
		"id=in.(1,2)":                    "hash on id",
		"title=is.null":                  "hash on title",
		"data->>kind=eq.chat":            "hash on data->>kind",
		"price=gte.10":                   "range on price",
		"price=gt.1,price=lt.5":          "range on price",
		"id=neq.1":                       "all but one value on id",
		"id=isdistinct.1":                "all but one value on id",
		"title=like.a%":                  "each; then title ~~ 'a%'",
		"id=neq.1,title=not.like.a%":     "each; then id <> '1' and not (title ~~ 'a%')",
		"id=eq.1,price=gt.10":            "hash on id; then price > '10'",
		"id=eq.1,room=eq.2":              "hash on id, or hash on room; then room = '2'",
		"id=not.in.(1,2)":                "each; then not (id = any ('{1,2}'))",
		"or=(id.eq.1,room.eq.2)":         "hash on id and hash on room",
		"or=(id.eq.1,title.like.b%)":     "each; then id = '1' or title ~~ 'b%'",
		"or=(id.gt.1,room.eq.2)":         "range on id and hash on room",
		"shape=eq.(1,2)":                 "each; then shape = '(1,2)'; asked (type): shape = '(1,2)'",
		"shape=isdistinct.(1,2),id=lt.3": "range on id; then shape is distinct from '(1,2)'; asked (type): shape is distinct from '(1,2)'",
		"open=not.is.true":               "all but one value on open",
		"title=not.is.null":              "each; then title is not null",
	} {
		s := Selector{Events: Events(wal.Insert, wal.Update, wal.Delete), Filter: mustParse(t, text)}
		filings := s.Filings(rooms(), utc())
		if len(filings) != 1 || filings[0].String() != want || filings[0].Events != s.Events {
			t.Errorf("%q is filed as %v; want %s", text, filings, want)
		}
	}
	if filings := (Selector{Events: Events(wal.Insert), Filter: mustParse(t, "none=eq.1")}).Filings(rooms(), utc()); len(filings) != 0 {
		t.Errorf("a filter that does not work is filed as %v", filings)
	}
}

// TestFilingsKnowTheGuard: what a subject may see is a part of what is filed, and may differ
// by operation.
func TestFilingsKnowTheGuard(t *testing.T) {
	s := Selector{Events: Events(wal.Insert, wal.Delete), Filter: mustParse(t, "price=gt.1"), Guard: &guardOf{text: "room=eq.7", only: Events(wal.Insert)}}
	got := fmt.Sprint(s.Filings(rooms(), utc()))
	if want := "[hash on room; then price > '1' range on price]"; got != want {
		t.Errorf("with a guard of INSERT alone it is filed as %s; want %s", got, want)
	}
	s.Guard = &guardOf{text: "room=eq.7", only: Events(wal.Delete), lack: "room"}
	got = fmt.Sprint(s.Filings(rooms(), utc()))
	if want := "[range on price hash on room and no value on room; then price > '1']"; got != want {
		t.Errorf("with a guard that lets rows without a column pass it is filed as %s; want %s", got, want)
	}
	s.Guard = &guardOf{text: "none=eq.1", only: s.Events}
	if got := fmt.Sprint(s.Filings(rooms(), utc())); got != "[never]" {
		t.Errorf("with a guard that hides all rows it is filed as %s", got)
	}
}

// TestFilingsAreWhatAnIndexDoes: the buckets of an index without other selectors are those
// that the filing names.
func TestFilingsAreWhatAnIndexDoes(t *testing.T) {
	for _, text := range []string{"", "id=eq.1", "price=gte.10", "id=neq.1", "id=isdistinct.1", "title=like.a%", "id=eq.1,room=eq.2", "or=(id.gt.1,room.eq.2)", "title=is.null"} {
		s := Selector{Events: Events(wal.Insert), Schema: "public", Table: "rooms", Filter: mustParse(t, text)}
		rel, filing := rooms(), s.Filings(rooms(), utc())[0]
		s.Schema, s.Table = rel.Schema, rel.Table
		ix := NewIndex[int](utc())
		ix.Add(s, 1)
		got := map[string]bool{}
		for _, ei := range ix.relation(rel).byEvents {
			for _, ci := range ei.columns {
				kind := LookupValue
				switch {
				case ci.spans.root != nil:
					kind = LookupRange
				case len(ci.unequal.list)+len(ci.distinct.list) > 0:
					kind = LookupOther
				}
				got[fmt.Sprint(kind, ci.operand.name)] = true
			}
			if (len(ei.unkeyed.groups) > 0) != (len(filing.Lookups) == 0) {
				t.Errorf("%q: the index tries it for each change: %t; the filing is %v", text, len(ei.unkeyed.groups) > 0, filing)
			}
		}
		for _, l := range filing.Lookups {
			if !got[fmt.Sprint(l.Kind, l.Column)] {
				t.Errorf("%q: the index has %v; the filing is %v", text, got, filing)
			}
			delete(got, fmt.Sprint(l.Kind, l.Column))
		}
		if len(got) > 0 {
			t.Errorf("%q: the index also has %v; the filing is %v", text, got, filing)
		}
	}
}
