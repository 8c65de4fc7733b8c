package compile

import (
	"walcast/filters"
	"walcast/replication/wal"
)

// condition is a policy for one subject, after everything that depends on claims and
// role was evaluated.
type condition interface {
	// when returns a clause that is true for the rows for which the condition's
	// truth is in the set, and false for all others. As an absent column may have
	// any value, the clause is true if the condition's truth depends on one.
	when(set truths, sent sent) clause
}

// sent says which columns rows have.
type sent func(column int) wal.Sent

// leaf is the clause of one column: of, or if a row lacks the column otherwise.
func (s sent) leaf(column int, of clause, otherwise bool) clause {
	switch s(column) {
	case wal.SentNever:
		return constant(otherwise)
	case wal.SentSometimes:
		if otherwise {
			return anyClause(of, lackClause{column})
		}
	}
	return of
}

// truths is a set of truth values.
type truths uint8

const (
	setFalse   truths = 1 << filters.False
	setUnknown truths = 1 << filters.Unknown
	setTrue    truths = 1 << filters.True
	setAll            = setFalse | setUnknown | setTrue
)

func (s truths) has(t filters.Truth) bool { return s&(1<<t) != 0 }

// flip is the set for NOT.
func (s truths) flip() truths {
	return s&setUnknown | (s&setTrue)>>filters.True | (s&setFalse)<<filters.True
}

type (
	// fixed is the same for every row.
	fixed filters.Truth
	// comparison compares a column with a text that its type can read.
	comparison struct {
		column int
		op     filters.Operator
		value  string
	}
	// anyOf is column = ANY of texts, none of them NULL.
	anyOf struct {
		column int
		values []string
	}
	// missing is "column IS NULL".
	missing struct{ column int }
	// both and either are AND and OR.
	both   []condition
	either []condition
	// negation is NOT.
	negation struct{ of condition }
	// oneOf is true where the truth of the condition is one of the set, and
	// false elsewhere: IS TRUE and its kin.
	oneOf struct {
		set truths
		of  condition
	}
)

func (c fixed) when(set truths, _ sent) clause {
	return constant(set.has(filters.Truth(c)))
}

func (c comparison) when(set truths, sent sent) clause {
	of := leaf(set, c.column, compareClause(c), compareClause{c.column, opposite(c.op), c.value})
	return sent.leaf(c.column, of, set != 0)
}

func (c anyOf) when(set truths, sent sent) clause {
	of := leaf(set, c.column, anyOfClause{c.column, c.values, false}, anyOfClause{c.column, c.values, true})
	return sent.leaf(c.column, of, set != 0)
}

func (c missing) when(set truths, sent sent) clause {
	of := anyClause(given(set, setTrue, nullClause{c.column, false}), given(set, setFalse, nullClause{c.column, true}))
	return sent.leaf(c.column, of, set&(setTrue|setFalse) != 0)
}

// leaf is a clause that is unknown exactly where its column is NULL.
func leaf(set truths, column int, yes, no clause) clause {
	if set&setAll == setAll {
		return constant(true)
	}
	return anyClause(given(set, setTrue, yes), given(set, setFalse, no), given(set, setUnknown, nullClause{column, false}))
}

// given is t if the set has the truth value, else false.
func given(set, value truths, t clause) clause {
	if set&value == 0 {
		return constant(false)
	}
	return t
}

func (c negation) when(set truths, sent sent) clause {
	return c.of.when(set.flip(), sent)
}

func (c oneOf) when(set truths, sent sent) clause {
	return anyClause(
		given(set, setTrue, c.of.when(c.set, sent)),
		given(set, setFalse, c.of.when(setAll&^c.set, sent)),
	)
}

// when of AND goes by the least of its operands' truths.
func (c both) when(set truths, sent sent) clause {
	each := func(of truths) []clause {
		clauses := make([]clause, len(c))
		for i, operand := range c {
			clauses[i] = operand.when(of, sent)
		}
		return clauses
	}
	switch set & setAll {
	case setAll:
		return constant(true)
	case setTrue, setTrue | setUnknown:
		return allClauses(each(set)...)
	case setFalse, setFalse | setUnknown:
		return anyClause(each(set)...)
	case setTrue | setFalse:
		return anyClause(allClauses(each(setTrue)...), anyClause(each(setFalse)...))
	case setUnknown:
		return allClauses(allClauses(each(setTrue|setUnknown)...), anyClause(each(setUnknown)...))
	}
	return constant(false)
}

// when of OR is that of AND with everything negated.
func (c either) when(set truths, sent sent) clause {
	negated := make(both, len(c))
	for i, operand := range c {
		negated[i] = negation{operand}
	}
	return negated.when(set.flip(), sent)
}
