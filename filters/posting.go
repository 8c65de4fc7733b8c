package filters

import (
	"walcast/filters/datum"
)

// posting is a set of values of an operand under which an expression is filed: keys,
// a range, NULL, all values but one, or that there is no value. The expression is true only for rows whose
// value is in the set.
type posting struct {
	operand *operand
	typ     datum.Type
	keys    []datum.Key // values of the operand, each once
	null    bool        // NULL is in the set too
	absent  bool        // instead of keys: the row lacks the column
	span    *span       // instead of keys: a range of values
	unequal bool        // instead of keys: all values but keys[0]
}

// ranks of postings, the most selective first.
const (
	rankKeys = iota
	rankRange
	rankNone
)

// candidate is a way of filing a conjunction, by some of its conjuncts. If it is
// exact these conjuncts need not be evaluated any more.
type candidate struct {
	postings []posting
	rank     int
	takes    []int // indexes of the conjuncts
	exact    bool  // the postings lead to exactly the rows for which these conjuncts are true
}

// candidates returns the ways of filing a conjunction.
func candidates(conjuncts []Expr) []candidate {
	var found []candidate
	ranges := rangesOf(conjuncts)
	for i, e := range conjuncts {
		if p, ok := keysOf(e); ok {
			found = append(found, candidate{[]posting{p}, rankKeys, []int{i}, true})
		} else if d, ok := e.(disjunction); ok {
			if c, ok := alternatives(d); ok {
				c.takes = []int{i}
				found = append(found, c)
			}
		}
	}
	found = append(found, ranges...)
	if len(conjuncts) == 1 {
		if p, ok := unequalOf(conjuncts[0]); ok {
			found = append(found, candidate{[]posting{p}, rankNone, []int{0}, true})
		}
	}
	return found
}

// keysOf returns the posting of a condition that is true for a few values only.
func keysOf(e Expr) (posting, bool) {
	switch e := e.(type) {
	case *comparison:
		if e.negate {
			return posting{}, false
		}
		switch t := e.test.(type) {
		case equality:
			return posting{operand: e.operand, typ: t.typ, keys: []datum.Key{t.key}}, true
		case membership:
			return posting{operand: e.operand, typ: t.typ, keys: t.keys}, true
		}
	case *nullTest:
		if !e.negate && !e.rows {
			return posting{operand: e.operand, null: true}, true
		}
	case *absenceTest:
		if !e.negate {
			return posting{operand: e.operand, absent: true}, true
		}
	}
	return posting{}, false
}

// unequalOf returns the posting of a condition that is true for all values but one.
func unequalOf(e Expr) (posting, bool) {
	c, ok := e.(*comparison)
	if !ok || !c.negate {
		return posting{}, false
	}
	t, ok := c.test.(equality)
	if !ok {
		return posting{}, false
	}
	return posting{operand: c.operand, typ: t.typ, keys: []datum.Key{t.key}, unequal: true, null: c.onNull == False}, true
}

// alternatives returns the candidate that files a disjunction under each of its
// parts.
func alternatives(d disjunction) (candidate, bool) {
	all := candidate{rank: rankKeys, exact: true}
	for _, e := range d {
		parts := []Expr{e}
		if c, ok := e.(conjunction); ok {
			parts = c
		}
		best, ok := first(candidates(parts))
		if !ok || best.rank == rankNone {
			return candidate{}, false
		}
		all.postings = append(all.postings, best.postings...)
		all.rank = max(all.rank, best.rank)
		all.exact = all.exact && best.exact && len(best.takes) == len(parts)
	}
	return all, true
}

// first returns the most selective candidate, of several the first.
func first(found []candidate) (best candidate, ok bool) {
	for _, c := range found {
		if !ok || c.rank < best.rank {
			best, ok = c, true
		}
	}
	return best, ok
}

// rangesOf returns a candidate for each operand that is compared by order: the range
// between all its bounds.
func rangesOf(conjuncts []Expr) []candidate {
	var found []candidate
	for i, e := range conjuncts {
		c, ok := e.(*comparison)
		if !ok {
			continue
		}
		r, ok := c.test.(order)
		if !ok {
			continue
		}
		joined := false
		for j := range found {
			p := &found[j].postings[0]
			if p.operand.name == c.operand.name && p.typ == r.typ {
				p.span.narrow(r, c.negate)
				found[j].takes = append(found[j].takes, i)
				joined = true
			}
		}
		if !joined {
			s := &span{}
			s.narrow(r, c.negate)
			found = append(found, candidate{[]posting{{operand: c.operand, typ: r.typ, span: s}}, rankRange, []int{i}, true})
		}
	}
	return found
}

// rest returns the conjuncts that are left to evaluate.
func (c candidate) rest(conjuncts []Expr) []Expr {
	if !c.exact {
		return conjuncts
	}
	var rest []Expr
	for i, e := range conjuncts {
		taken := false
		for _, t := range c.takes {
			taken = taken || t == i
		}
		if !taken {
			rest = append(rest, e)
		}
	}
	return rest
}
