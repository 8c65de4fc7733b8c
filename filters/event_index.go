package filters

import "walcast/filters/datum"

// eventIndex holds the members of a relation that want the same set of events,
// by the columns that their conditions compare.
type eventIndex struct {
	events    EventSet
	columns   []*columnIndex
	byOperand map[operandKey]*columnIndex
	rest      bucket // the members that cannot be found by a column
}

// operandKey identifies an operand and how its values are read.
type operandKey struct {
	name string
	typ  datum.Type
}

// choose takes the most selective candidate. Of those that are equally
// selective it takes the one under which fewer members are filed already, so
// that nothing is filed under a condition that all members share.
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

// population estimates how many members are filed where a candidate leads.
func (ei *eventIndex) population(c candidate) int {
	n := 0
	for _, p := range c.postings {
		if ci := ei.byOperand[operandKey{p.operand.name, p.typ}]; ci != nil {
			n += ci.population(p)
		}
	}
	return n
}

// column returns the index of a posting's operand, new if need be.
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

func (ei *eventIndex) match(m *matcher) {
	m.visit(&ei.rest)
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

// prune forgets operands under which nothing is filed any more: clients can make
// up any number of JSON paths.
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
