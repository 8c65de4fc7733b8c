package filters

import "walcast/filters/datum"

// eventIndex holds the selectors of a relation that want the same set of events,
// by the columns that their conditions compare.
type eventIndex struct {
	events    EventSet
	columns   []*columnIndex
	byOperand map[operandKey]*columnIndex
	unkeyed   bucket // the selectors that no value of a column leads to
}

// operandKey identifies an operand and how its values are read.
type operandKey struct {
	name string
	typ  datum.Type
}

// choose takes the most selective candidate. Of equally selective candidates it
// takes the one under which the fewest selectors are filed already, so that
// nothing is filed under a condition that all selectors share.
func (ei *eventIndex) choose(found []candidate) (candidate, bool) {
	best, ok := first(found)
	if !ok || best.rank != rankKeys || len(found) == 1 {
		return best, ok
	}
	fewest := ei.population(best)
	for _, c := range found {
		if c.rank != rankKeys || fewest == 0 {
			continue
		}
		if n := ei.population(c); n < fewest {
			best, fewest = c, n
		}
	}
	return best, true
}

// population estimates how many selectors are filed where a candidate leads.
func (ei *eventIndex) population(c candidate) int {
	n := 0
	for _, p := range c.postings {
		if ci := ei.byOperand[operandKey{p.operand.name, p.typ}]; ci != nil {
			n += ci.population(p)
		}
	}
	return n
}

// column returns the index of a posting's operand, which it makes if there is none.
func (ei *eventIndex) column(p posting) *columnIndex {
	key := operandKey{p.operand.name, p.typ}
	ci := ei.byOperand[key]
	if ci == nil {
		ci = newColumnIndex(p.operand, p.typ)
		ei.byOperand[key] = ci
		ei.columns = append(ei.columns, ci)
	}
	return ci
}

// match visits the selectors without a column, and those that the row's values
// lead to.
func (ei *eventIndex) match(m *matcher) {
	m.visit(&ei.unkeyed)
	empty := 0
	for _, ci := range ei.columns {
		if ci.empty() {
			empty++
			continue
		}
		ci.match(m)
	}
	if empty > 8 && empty*2 > len(ei.columns) {
		ei.prune()
	}
}

// prune forgets the operands under which nothing is filed any more. Clients can
// make up any number of JSON paths, each of which is an operand.
func (ei *eventIndex) prune() {
	used := ei.columns[:0]
	for _, ci := range ei.columns {
		if ci.empty() {
			delete(ei.byOperand, operandKey{ci.operand.name, ci.typ})
			continue
		}
		used = append(used, ci)
	}
	clear(ei.columns[len(used):])
	ei.columns = used
}
