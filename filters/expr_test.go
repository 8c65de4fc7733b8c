package filters

import (
	"testing"

	"pgregory.net/rapid"

	"walcast/replication/wal"
)

// foreign is an Expr of another package.
type foreign Truth

func (f foreign) Eval(wal.Row) Truth { return Truth(f) }
func (f foreign) Key() string        { return "foreign " + Truth(f).String() }

// formula is an expression beside what it must evaluate to.
type formula struct {
	expr Expr
	want func(wal.Row) Truth
}

func formulas(rel *wal.Relation, depth int) *rapid.Generator[formula] {
	return rapid.Custom(func(t *rapid.T) formula {
		kind := "leaf"
		if depth > 0 {
			kind = rapid.SampledFrom([]string{"leaf", "and", "or", "not"}).Draw(t, "kind")
		}
		if kind == "leaf" {
			return leaf(t, rel)
		}
		parts := rapid.SliceOfN(formulas(rel, depth-1), 1, 3).Draw(t, "parts")
		exprs := make([]Expr, len(parts))
		for i, p := range parts {
			exprs[i] = p.expr
		}
		fold := func(start Truth, op func(a, b Truth) Truth) func(wal.Row) Truth {
			return func(row wal.Row) Truth {
				all := start
				for _, p := range parts {
					all = op(all, p.want(row))
				}
				return all
			}
		}
		switch kind {
		case "and":
			return formula{And(exprs...), fold(True, Truth.and)}
		case "or":
			return formula{Or(exprs...), fold(False, Truth.or)}
		}
		return formula{Not(exprs[0]), func(row wal.Row) Truth { return parts[0].want(row).not() }}
	})
}

// leaf is a condition, a constant, or an Expr of another package.
func leaf(t *rapid.T, rel *wal.Relation) formula {
	switch rapid.IntRange(0, 5).Draw(t, "leaf") {
	case 0:
		c := rapid.SampledFrom([]Truth{False, Unknown, True}).Draw(t, "constant")
		return formula{Constant(c), func(wal.Row) Truth { return c }}
	case 1:
		c := rapid.SampledFrom([]Truth{False, Unknown, True, Undecided}).Draw(t, "foreign")
		return formula{foreign(c), func(wal.Row) Truth { return c }}
	case 2:
		c := rapid.IntRange(0, len(rel.Columns)-1).Draw(t, "lacks")
		return formula{Lacks(rel, c), func(row wal.Row) Truth { return truth(row[c].Kind == wal.Absent) }}
	}
	for {
		f, err := Parse(conditionTexts().Draw(t, "condition"))
		if err != nil {
			t.Fatal(err)
		}
		if e, err := compile(rel, f, utc().certainty()); err == nil {
			return formula{e, e.Eval}
		}
	}
}

func TestExprsCombineAsInSQL(t *testing.T) {
	rel := rooms()
	rapid.Check(t, func(t *rapid.T) {
		f, row := formulas(rel, 3).Draw(t, "formula"), rowTexts().Draw(t, "row")
		if got, want := f.expr.Eval(row), f.want(row); got != want {
			t.Errorf("%s = %s for %v; want %s", f.expr.Key(), got, row, want)
		}
		twice := Not(Not(f.expr))
		if got, want := twice.Eval(row), f.want(row); got != want {
			t.Errorf("%s, negated twice, = %s; want %s", f.expr.Key(), got, want)
		}
	})
}

func TestKeysTellExprsApart(t *testing.T) {
	rel := rooms()
	texts := []string{
		"id=eq.1", "id=neq.1", "id=isdistinct.1", "id=not.isdistinct.1", "id=eq.2", "room=eq.1", "id=lt.1", "id=lte.1", "id=gt.1", "id=gte.1", "id=in.(1)", "id=is.null",
		"id=not.is.null", "open=is.true", "open=eq.true", "open=not.is.true", "title=like.1", "title=ilike.1", "title=match.1", "data->a=eq.1", "data->>a=eq.1",
		"or=(id.eq.1,room.eq.1)", "and=(id.eq.1,room.eq.1)", "title=eq.a b", `title=eq."a\" eq \"b"`, "shape=eq.(1,2)", "shape=neq.(1,2)", "tags=cs.{a}", "tags=cd.{a}",
	}
	seen := map[string]string{}
	for _, text := range texts {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		e, err := compile(rel, f, utc().certainty())
		if err != nil {
			t.Fatalf("compile(%s): %v", text, err)
		}
		if other, taken := seen[e.Key()]; taken {
			t.Errorf("%s and %s share the key %s", text, other, e.Key())
		}
		seen[e.Key()] = text
		if again, _ := compile(rel, f, utc().certainty()); again.Key() != e.Key() {
			t.Errorf("%s has the keys %s and %s", text, e.Key(), again.Key())
		}
	}
}

// TestFiltersUnderOneLocaleShareTheirRegularExpressions, in whichever index they are.
func TestFiltersUnderOneLocaleShareTheirRegularExpressions(t *testing.T) {
	expression := func(l Locale) any {
		f, err := Parse("title=match.^a+b")
		if err != nil {
			t.Fatal(err)
		}
		e, err := compile(rooms(), f, l.certainty())
		if err != nil {
			t.Fatal(err)
		}
		return e.(*comparison).test
	}
	shared := utc().Sharing()
	if expression(shared) != expression(shared) {
		t.Error("two filters of one locale have each compiled the expression")
	}
	if expression(utc().Sharing()) == expression(shared) || expression(utc()) == expression(utc()) {
		t.Error("filters of different locales share an expression")
	}
}
