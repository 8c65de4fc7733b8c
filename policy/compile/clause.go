package compile

import (
	"slices"

	"walcast/filters"
)

// clause is a condition on a row that is true or false, never unknown, with no
// negation in it: what the match index can file.
type clause interface{ isClause() }

type (
	constantClause bool
	// compareClause is false where the column is NULL.
	compareClause struct {
		column int
		op     filters.Operator
		value  string
	}
	// anyOfClause is false where the column is NULL.
	anyOfClause struct {
		column int
		values []string
		negate bool
	}
	nullClause struct {
		column int
		negate bool
	}
	// lackClause is true where the row lacks the column.
	lackClause struct{ column int }
	allOf      []clause
	someOf     []clause
)

func (constantClause) isClause() {}
func (compareClause) isClause()  {}
func (anyOfClause) isClause()    {}
func (nullClause) isClause()     {}
func (lackClause) isClause()     {}
func (allOf) isClause()          {}
func (someOf) isClause()         {}

func constant(holds bool) clause { return constantClause(holds) }

// allClauses is AND, without the clauses that make no difference.
func allClauses(clauses ...clause) clause {
	var flat allOf
	for _, c := range clauses {
		switch c := c.(type) {
		case constantClause:
			if !c {
				return c
			}
		case allOf:
			flat = append(flat, c...)
		default:
			flat = append(flat, c)
		}
	}
	switch len(flat) {
	case 0:
		return constant(true)
	case 1:
		return flat[0]
	}
	return flat
}

// anyClause is OR, without the clauses that make no difference.
func anyClause(clauses ...clause) clause {
	var flat someOf
	for _, c := range clauses {
		switch c := c.(type) {
		case constantClause:
			if c {
				return c
			}
		case someOf:
			flat = append(flat, c...)
		default:
			flat = append(flat, c)
		}
	}
	switch len(flat) {
	case 0:
		return constant(false)
	case 1:
		return flat[0]
	}
	return flat
}

// opposite is the operator that holds where op does not and the column is not
// NULL. All types that are compiled are totally ordered.
func opposite(op filters.Operator) filters.Operator {
	pairs := []filters.Operator{filters.Eq, filters.Neq, filters.Lt, filters.Gte, filters.Gt, filters.Lte}
	return pairs[slices.Index(pairs, op)^1]
}
