package filters

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

func mustParse(t testing.TB, text string) Filter {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestResolvedFiltersNeedNoMoreAsking: what Postgres has read once is compared
// by Go from then on.
func TestResolvedFiltersNeedNoMoreAsking(t *testing.T) {
	l := newLab(t, "C")
	l.locale.TimeZone = "" // as if it were not known
	l.exec(t, `create domain short as varchar(3);
		create table events (at timestamptz, code short, during tstzrange, n int, on_day date)`)
	rel := l.relation(t, "events")
	row := rowOf("2024-06-01 00:00:00+00", "abc", `["2024-01-01 00:00:00+00","2025-01-01 00:00:00+00")`, "1", "1999-01-08")
	for _, text := range []string{
		"at=gt.2024-05-31", "at=in.(2024-06-01,2024-06-02)", "code=eq.abcdef", "code=in.(abc,x)", "during=cs.[2024-02-01,2024-03-01]", "on_day=eq.Jan 8 1999",
		"or=(n.eq.5,at.gt.2024-05-31)",
	} {
		f := mustParse(t, text)
		e, err := compile(rel, f, l.locale.certainty())
		if err != nil {
			t.Fatalf("compile(%s): %v", text, err)
		}
		if got := e.Eval(row); got != Undecided {
			t.Errorf("%s = %s without asking; want undecided", text, got)
		}
		resolved, err := Resolve(context.Background(), rel, f, l.locale, l, nil)
		if err != nil {
			t.Fatalf("Resolve(%s): %v", text, err)
		}
		if e, err = compile(rel, resolved, l.locale.certainty()); err != nil {
			t.Fatalf("compile(%s) when resolved: %v", text, err)
		}
		if got := e.Eval(row); got != True {
			t.Errorf("%s = %s when resolved; want true", text, got)
		}
		if len(f[0].Readings) > 0 {
			t.Errorf("Resolve changed its argument %s", text)
		}
	}
}

// TestWordsForThePresentAreAskedAnew: now is another time for the next row.
func TestWordsForThePresentAreAskedAnew(t *testing.T) {
	l := newLab(t, "C")
	l.exec(t, "create table events (at timestamptz)")
	rel := l.relation(t, "events")
	f, err := Resolve(context.Background(), rel, mustParse(t, "at=lt.now"), l.locale, l, nil)
	if err != nil {
		t.Fatal(err)
	}
	row := rowOf("2024-06-01 00:00:00+00")
	for round := range 2 {
		l.asked = nil
		got, err := Decide(t.Context(), rel, f, []wal.Row{row, row}, l.locale, l, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.asked) != 1 {
			t.Errorf("round %d: asked about %d calls; want 1", round, len(l.asked))
		}
		if got[0].Truth != True || got[1].Truth != True {
			t.Errorf("round %d: decided %+v; want true", round, got)
		}
	}
}

// TestResolveForSeveralTables: a binding with wildcards has one filter for
// columns of several types.
func TestResolveForSeveralTables(t *testing.T) {
	l := newLab(t, "C")
	l.exec(t, "create domain short as varchar(3); create domain pair as varchar(2); create table a (v short); create table b (v pair)")
	a, b := l.relation(t, "a"), l.relation(t, "b")
	f := mustParse(t, "v=eq.abcdef")
	for _, rel := range []*wal.Relation{a, b, a} {
		var err error
		if f, err = Resolve(context.Background(), rel, f, l.locale, l, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(l.asked) != 2 {
		t.Errorf("asked about %d calls; want one for each type", len(l.asked))
	}
	for rel, value := range map[*wal.Relation]string{a: "abc", b: "ab"} {
		e, err := compile(rel, f, l.locale.certainty())
		if err != nil || e.Eval(rowOf(value)) != True {
			t.Errorf("%s = %s: want true, got %v, %v", f, value, e, err)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	l := newLab(t, "C")
	l.exec(t, `create domain positive as int check (value > 0);
		create table t (id positive, js json, pt point, s text, b bytea, arr int[], r int4range, ts timestamptz, ip inet)`)
	rel := l.relation(t, "t")
	for text, want := range map[string]BindError{
		"id=eq.-1":        {"23514", "check_violation", `value for domain positive violates check constraint "positive_check"`, ""},
		"id=in.(1,-1)":    {"23514", "check_violation", `value for domain positive violates check constraint "positive_check"`, ""},
		"js=eq.{}":        {"42883", "undefined_function", "operator does not exist: json = json", ""},
		"js=in.(1)":       {"42883", "undefined_function", "operator does not exist: json = json", ""},
		`pt=eq."(1,2)"`:   {"42883", "undefined_function", "operator does not exist: point = point", ""},
		"js->a=eq.1":      {"42883", "undefined_function", "operator does not exist: json = json", ""},
		"s->>a=eq.1":      {"42883", "undefined_function", "operator does not exist: text ->> unknown", ""},
		"s=match.a**":     {"P0001", "raise_exception", "invalid regular expression for match filter: invalid regular expression: quantifier operand invalid", ""},
		"s=imatch.[":      {"P0001", "raise_exception", "invalid regular expression for imatch filter: invalid regular expression: brackets [] not balanced", ""},
		`s=like.a\`:       {"22025", "invalid_escape_sequence", "LIKE pattern must not end with escape character", ""},
		"b=ilike.a":       {"P0001", "raise_exception", "operator ilike requires a text-compatible column type, got bytea", ""},
		"arr=in.(1,2)":    {"42883", "undefined_function", "operator does not exist: integer[] = integer", ""},
		"s=eq.a\x00b":     {"22021", "character_not_in_repertoire", `invalid byte sequence for encoding "UTF8": 0x00`, ""},
		"r=ov.x":          {"22P02", "invalid_text_representation", "malformed range literal: \"x\"\n\nMissing left parenthesis or bracket.", ""},
		"ip=eq.1.2.3.400": {"22P02", "invalid_text_representation", `invalid input syntax for type inet: "1.2.3.400"`, ""},
		"s=cs.{a}":        {"42883", "undefined_function", "operator does not exist: text @> text", ""},
	} {
		_, err := Resolve(context.Background(), rel, mustParse(t, text), l.locale, l, nil)
		var got *BindError
		if !errors.As(err, &got) {
			t.Errorf("Resolve(%q) = %v; want %v", text, err, want)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("Resolve(%q) differs (-want +got):\n%s", text, diff)
		}
	}
}
