package filters

import (
	"slices"
	"strings"

	"walcast/replication/wal"
)

// Filing is how an index finds a selector for the changes of a relation.
type Filing struct {
	Events EventSet
	// Never says that no row matches.
	Never bool
	// Lookups lead from the values of a row to the selector, any of them. Without any it
	// is tried for each change of the relation.
	Lookups []Lookup
	// Others are look-ups that lead to it as well as Lookups do. An index takes those under
	// which it has the fewest selectors, or Lookups if it has none.
	Others [][]Lookup
	// Rest is what is evaluated of a row that was found, as SQL has it; "" for nothing.
	Rest string
	// Asked are the conditions of the selector that Postgres decides, for each row.
	Asked []Asked
}

// Lookup is a set of values of a column, or of a path into one.
type Lookup struct {
	Kind   LookupKind
	Column string // as the filter has it, with its path
	Of     string // the condition that it stands for, as SQL has it
}

// LookupKind is how the index finds the set that a value is in.
type LookupKind string

// The kinds of look-up.
const (
	LookupValue LookupKind = "hash"  // by the value itself, or by NULL
	LookupRange LookupKind = "range" // among the ranges of the column, which are in order
	LookupOther LookupKind = "all but one value"
	LookupLack  LookupKind = "no value" // of rows that lack the column
)

// Asked is a condition that Postgres decides, as SQL has it, and why Go does not.
type Asked struct {
	Condition string
	Why       Doubt
}

// Filings says how an index without other selectors finds this one, for each set of
// events whose rows it judges alike. There is none for a filter that does not work on
// the relation.
func (s Selector) Filings(rel *wal.Relation, l Locale) (filings []Filing) {
	for _, w := range s.wheres(rel, l.certainty()) {
		filings = append(filings, w.filing())
	}
	return filings
}

func (w where) filing() Filing {
	f := Filing{Events: w.events, Asked: askedOf(w.expr)}
	conjuncts, possible := conjunctsOf(w.expr)
	if f.Never = !possible; f.Never {
		return f
	}
	rest := conjuncts
	found := candidates(conjuncts)
	if chosen, ok := first(found); ok {
		f.Lookups = chosen.lookups(conjuncts)
		rest = chosen.rest(conjuncts)
		for _, c := range found {
			if other := c.lookups(conjuncts); chosen.rank == rankKeys && c.rank == rankKeys && !slices.Equal(other, f.Lookups) {
				f.Others = append(f.Others, other)
			}
		}
	}
	if len(rest) > 0 {
		f.Rest = Describe(And(rest...))
	}
	return f
}

// lookups are the sets of values under which a candidate files.
func (c candidate) lookups(conjuncts []Expr) []Lookup {
	taken := make([]Expr, len(c.takes))
	for i, at := range c.takes {
		taken[i] = conjuncts[at]
	}
	of := Describe(And(taken...))
	lookups := make([]Lookup, len(c.postings))
	for i, p := range c.postings {
		kind := LookupValue
		switch {
		case p.unequal:
			kind = LookupOther
		case p.span != nil:
			kind = LookupRange
		case p.absent:
			kind = LookupLack
		}
		lookups[i] = Lookup{Kind: kind, Column: p.operand.name, Of: of}
	}
	return lookups
}

// askedOf are the comparisons of an expression that Postgres decides for every row.
func askedOf(e Expr) (all []Asked) {
	each := func(exprs []Expr) {
		for _, e := range exprs {
			all = append(all, askedOf(e)...)
		}
	}
	switch e := e.(type) {
	case conjunction:
		each(e)
	case disjunction:
		each(e)
	case negation:
		return askedOf(e.of)
	case *comparison:
		if _, always := e.test.(asked); always {
			return []Asked{{Describe(e), e.why}}
		}
	}
	return all
}

// Describe writes an expression as SQL has it, for people: what it says of types,
// collations and NULL is not in it.
func Describe(e Expr) string {
	switch e := e.(type) {
	case constant:
		if Truth(e) == Unknown {
			return "null"
		}
		return Truth(e).String()
	case conjunction:
		return describeAll(e, " and ")
	case disjunction:
		return describeAll(e, " or ")
	case negation:
		return "not (" + Describe(e.of) + ")"
	case *nullTest:
		if e.negate {
			return e.operand.name + " is not null"
		}
		return e.operand.name + " is null"
	case *absenceTest:
		if e.negate {
			return "the row has " + e.operand.name
		}
		return "the row lacks " + e.operand.name
	case *comparison:
		return e.describe()
	}
	return e.Key()
}

// describeAll puts a word between expressions, and parentheses around those that have
// words of their own.
func describeAll(exprs []Expr, word string) string {
	parts := make([]string, len(exprs))
	for i, e := range exprs {
		parts[i] = Describe(e)
		switch e.(type) {
		case conjunction, disjunction:
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, word)
}

func (c *comparison) describe() string {
	literal := quoteText(c.literal)
	operators := map[Operator][2]string{Eq: {"=", "<>"}, Lt: {"<", ">="}, Lte: {"<=", ">"}}
	opposite := 0
	if c.negate {
		opposite = 1
	}
	pair, known := operators[c.op]
	switch {
	case c.op == Eq && c.onNull != Unknown, c.op == IsDistinct:
		operators := [2]string{" is not distinct from ", " is distinct from "}
		if c.op == IsDistinct {
			opposite = 1 - opposite
		}
		return c.operand.name + operators[opposite] + literal
	case known:
		return c.operand.name + " " + pair[opposite] + " " + literal
	}
	text := c.operand.name + " "
	if c.op == In {
		text += "= any (" + literal + ")"
	} else {
		text += c.op.Symbol() + " " + literal
	}
	if c.negate {
		return "not (" + text + ")"
	}
	return text
}
