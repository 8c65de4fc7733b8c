package filters

import (
	"slices"

	"walcast/replication/wal"
)

// relationIndex finds the selectors that may match a change of one relation.
type relationIndex struct {
	rel        *wal.Relation
	byEvents   []*eventIndex
	predicates predicates
	locations  map[selectorID]locations
}

// locations is where a selector is filed. Most selectors are filed once; more has
// the other locations of those that are not.
type locations struct {
	location
	more *[]location
}

func newRelationIndex(rel *wal.Relation) *relationIndex {
	return &relationIndex{rel: rel, predicates: predicates{}, locations: map[selectorID]locations{}}
}

// file files a selector under an expression.
func (ri *relationIndex) file(id selectorID, w where) {
	conjuncts, possible := conjunctsOf(w.expr)
	if !possible {
		return
	}
	ei := ri.forEvents(w.events)
	chosen, ok := ei.choose(candidates(conjuncts))
	if !ok {
		ri.put(id, &ei.unkeyed, conjuncts)
	}
	rest := conjuncts
	if ok {
		rest = chosen.rest(conjuncts)
	}
	for _, p := range chosen.postings {
		ei.column(p).buckets(p, func(b *bucket) { ri.put(id, b, rest) })
	}
}

// conjunctsOf returns the parts of an expression that must all be true of a row, none if
// every row matches. It is not possible for any row to match a constant other than True.
func conjunctsOf(e Expr) (conjuncts []Expr, possible bool) {
	switch e := e.(type) {
	case constant:
		return nil, Truth(e) == True
	case conjunction:
		return e, true
	}
	return []Expr{e}, true
}

// put puts a selector into a bucket with the conjuncts that are left to evaluate.
func (ri *relationIndex) put(id selectorID, b *bucket, rest []Expr) {
	var p *predicate
	if len(rest) > 0 {
		p = ri.predicates.of(And(rest...))
	}
	g := b.group(p)
	if n := len(g.selectors); n > 0 && g.selectors[n-1] == id {
		// Two of its keys are one, as in "a or a": it is there already.
		if p != nil {
			ri.predicates.release(p)
		}
		return
	}
	added := g.add(id)
	ls := ri.locations[id]
	switch {
	case ls.group == nil:
		ls.location = added
	case ls.more == nil:
		ls.more = &[]location{added}
	default:
		*ls.more = append(*ls.more, added)
	}
	ri.locations[id] = ls
}

// remove takes a selector out wherever it is filed.
func (ri *relationIndex) remove(id selectorID) {
	ls, filed := ri.locations[id]
	if !filed {
		return
	}
	delete(ri.locations, id)
	ri.removeAt(ls.location)
	if ls.more != nil {
		for _, l := range *ls.more {
			ri.removeAt(l)
		}
	}
}

// removeAt removes the selector at a location. The last selector of the group
// moves there, so that the group has no gap.
func (ri *relationIndex) removeAt(l location) {
	g := l.group
	last := uint32(len(g.selectors) - 1)
	if moved := g.selectors[last]; l.at != last {
		g.selectors[l.at] = moved
		ri.move(moved, g, l.at)
	}
	g.selectors = g.selectors[:last]
	if g.predicate != nil {
		ri.predicates.release(g.predicate)
	}
	if last == 0 {
		g.bucket.remove(g)
	}
}

// move records that a selector has another index in a group than before.
func (ri *relationIndex) move(id selectorID, g *group, at uint32) {
	ls := ri.locations[id]
	if ls.group == g {
		ls.at = at
		ri.locations[id] = ls
		return
	}
	i := slices.IndexFunc(*ls.more, func(l location) bool { return l.group == g })
	(*ls.more)[i].at = at
}

// match has the matcher visit the selectors that may match its change.
func (ri *relationIndex) match(m *matcher, op wal.Operation) {
	for _, ei := range ri.byEvents {
		if ei.events.Has(op) {
			ei.match(m)
		}
	}
}

// forEvents returns the index of a set of events, which it makes if there is none.
func (ri *relationIndex) forEvents(events EventSet) *eventIndex {
	for _, ei := range ri.byEvents {
		if ei.events == events {
			return ei
		}
	}
	ei := &eventIndex{events: events, byOperand: map[operandKey]*columnIndex{}}
	ri.byEvents = append(ri.byEvents, ei)
	return ei
}
