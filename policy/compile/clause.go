package policy

import (
	"slices"

	"walcast/filters"
)

// test is a condition on a row that is true or false, never unknown, with no
// negation in it: what the match index can file.
type test interface{ isTest() }

type (
	constantTest bool
	// compareTest is false where the column is NULL.
	compareTest struct {
		column int
		op     filters.Operator
		value  string
	}
	// memberTest is false where the column is NULL.
	memberTest struct {
		column int
		values []string
		negate bool
	}
	nullTest struct {
		column int
		negate bool
	}
	allOf  []test
	someOf []test
)

func (constantTest) isTest() {}
func (compareTest) isTest()  {}
func (memberTest) isTest()   {}
func (nullTest) isTest()     {}
func (allOf) isTest()        {}
func (someOf) isTest()       {}

func constant(holds bool) test { return constantTest(holds) }

// allTests is AND, without what makes no difference.
func allTests(tests ...test) test {
	var kept allOf
	for _, t := range tests {
		switch t := t.(type) {
		case constantTest:
			if !t {
				return t
			}
		case allOf:
			kept = append(kept, t...)
		default:
			kept = append(kept, t)
		}
	}
	switch len(kept) {
	case 0:
		return constant(true)
	case 1:
		return kept[0]
	}
	return kept
}

// anyTest is OR, without what makes no difference.
func anyTest(tests ...test) test {
	var kept someOf
	for _, t := range tests {
		switch t := t.(type) {
		case constantTest:
			if t {
				return t
			}
		case someOf:
			kept = append(kept, t...)
		default:
			kept = append(kept, t)
		}
	}
	switch len(kept) {
	case 0:
		return constant(false)
	case 1:
		return kept[0]
	}
	return kept
}

// opposite is the operator that holds where op does not and the column is not
// NULL. All types that are compiled are totally ordered.
func opposite(op filters.Operator) filters.Operator {
	pairs := []filters.Operator{filters.Eq, filters.Neq, filters.Lt, filters.Gte, filters.Gt, filters.Lte}
	return pairs[slices.Index(pairs, op)^1]
}
