package compile

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"walcast/filters"
	"walcast/replication/wal"
)

// cell is a column's value in these tests: "" is NULL.
type cell string

// lack is the cell of a column that the row lacks. It meets no condition.
const lack cell = "lack"

// truthIn is SQL's truth of a condition, straight from the definition.
func truthIn(c condition, row []cell) filters.Truth {
	boolean := func(v cell, holds bool) filters.Truth {
		if v == "" {
			return filters.Unknown
		}
		return truthIf(holds)
	}
	switch c := c.(type) {
	case fixed:
		return filters.Truth(c)
	case comparison:
		v, w := row[c.column], cell(c.value)
		return boolean(v, map[filters.Operator]bool{
			filters.Eq: v == w, filters.Neq: v != w, filters.Lt: v < w, filters.Gte: v >= w, filters.Gt: v > w, filters.Lte: v <= w,
		}[c.op])
	case anyOf:
		return boolean(row[c.column], slices.Contains(c.values, string(row[c.column])))
	case missing:
		return truthIf(row[c.column] == "")
	case negation:
		return filters.True - truthIn(c.of, row)
	case oneOf:
		return truthIf(c.set.has(truthIn(c.of, row)))
	case both:
		least := filters.True
		for _, operand := range c {
			least = min(least, truthIn(operand, row))
		}
		return least
	case either:
		most := filters.False
		for _, operand := range c {
			most = max(most, truthIn(operand, row))
		}
		return most
	}
	panic("unknown condition")
}

func passes(t clause, row []cell) bool {
	pass := func(t clause) bool { return passes(t, row) }
	switch t := t.(type) {
	case constantClause:
		return bool(t)
	case compareClause:
		return row[t.column] != lack && truthIn(comparison(t), row) == filters.True
	case anyOfClause:
		return row[t.column] != "" && row[t.column] != lack && slices.Contains(t.values, string(row[t.column])) != t.negate
	case nullClause:
		return row[t.column] != lack && (row[t.column] == "") != t.negate
	case lackClause:
		return row[t.column] == lack
	case allOf:
		return !slices.ContainsFunc(t, func(t clause) bool { return !pass(t) })
	case someOf:
		return slices.ContainsFunc(t, pass)
	}
	panic("unknown clause")
}

func drawCondition(t *rapid.T, depth int) condition {
	column, value := rapid.IntRange(0, 2), rapid.SampledFrom([]string{"a", "b", "c"})
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	some := func() []condition {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) condition { return drawCondition(t, depth-1) }), 0, 3).Draw(t, "operands")
	}
	switch kind {
	case 0:
		return fixed(rapid.IntRange(0, 2).Draw(t, "fixed"))
	case 1:
		op := rapid.SampledFrom([]filters.Operator{filters.Eq, filters.Neq, filters.Lt, filters.Lte, filters.Gt, filters.Gte})
		return comparison{column.Draw(t, "column"), op.Draw(t, "op"), value.Draw(t, "value")}
	case 2:
		return anyOf{column.Draw(t, "column"), rapid.SliceOfN(value, 1, 3).Draw(t, "values")}
	case 3:
		return missing{column.Draw(t, "column")}
	case 4:
		return both(some())
	case 5:
		return either(some())
	case 6:
		return negation{drawCondition(t, depth-1)}
	}
	return oneOf{truths(rapid.IntRange(0, 7).Draw(t, "set")), drawCondition(t, depth-1)}
}

func TestTestsAreTrueExactlyWhereTheConditionHasTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCondition(t, 4)
		row := rapid.SliceOfN(rapid.SampledFrom([]cell{"", "a", "b", "c", "d"}), 3, 3).Draw(t, "row")
		for set := truths(0); set <= setAll; set++ {
			got := passes(c.when(set, func(int) wal.Sent { return wal.SentAlways }), row)
			if want := set.has(truthIn(c, row)); got != want {
				t.Fatalf("%v has truth %d in %q; in set %b: %t", describe(c), truthIn(c, row), row, set, got)
			}
		}
	})
}

func TestTestsHideNoRowThatMayStillPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCondition(t, 3)
		row := rapid.SliceOfN(rapid.SampledFrom([]cell{"", "a", "b"}), 3, 3).Draw(t, "row")
		absent := rapid.IntRange(0, 2).Draw(t, "absent column")
		set := truths(rapid.IntRange(1, 7).Draw(t, "set"))
		partial := c.when(set, except(absent, wal.SentNever))
		for _, v := range []cell{"", "a", "b", "c"} {
			complete := slices.Clone(row)
			complete[absent] = v
			if set.has(truthIn(c, complete)) && !passes(partial, row) {
				t.Fatalf("%v may be in set %b, as for %q, but %v fails", describe(c), set, complete, partial)
			}
		}
	})
}

// A column that some rows have is judged in those, and hides nothing in the others.
func TestTestsGoByAColumnInTheRowsThatHaveIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCondition(t, 3)
		row := rapid.SliceOfN(rapid.SampledFrom([]cell{"", "a", "b"}), 3, 3).Draw(t, "row")
		some := rapid.IntRange(0, 2).Draw(t, "column of some rows")
		set := truths(rapid.IntRange(0, 7).Draw(t, "set"))
		clause := c.when(set, except(some, wal.SentSometimes))
		if got, want := passes(clause, row), set.has(truthIn(c, row)); got != want {
			t.Errorf("%v in set %b of %q: %t; want %t", describe(c), set, row, got, want)
		}
		row[some] = lack
		if got, want := passes(clause, row), passes(c.when(set, except(some, wal.SentNever)), row); got != want {
			t.Errorf("%v in set %b of %q: %t; want %t, as if no row had the column", describe(c), set, row, got, want)
		}
	})
}

// except has all columns sent but one.
func except(column int, s wal.Sent) sent {
	return func(of int) wal.Sent {
		if of == column {
			return s
		}
		return wal.SentAlways
	}
}

func describe(c condition) string { return fmt.Sprintf("%T%+v", c, c) }
