package filters

import (
	"slices"

	"walcast/replication/wal"
)

// relationIndex finds the members that want a change of one relation.
type relationIndex struct {
	rel        *wal.Relation
	byEvents   []*eventIndex
	predicates predicates
	locations  map[member]locations
}

// locations are where a member is filed. Most are filed once.
type locations struct {
	location
	more *[]location
}

func newRelationIndex(rel *wal.Relation) *relationIndex {
	return &relationIndex{rel: rel, predicates: predicates{}, locations: map[member]locations{}}
}

// file files a member under an expression.
func (ri *relationIndex) file(m member, w where) {
	conjuncts := []Expr{w.expr}
	switch e := w.expr.(type) {
	case constant:
		if Truth(e) != True {
			return // no row matches
		}
		conjuncts = nil
	case conjunction:
		conjuncts = e
	}
	ei := ri.forEvents(w.events)
	chosen, ok := ei.choose(candidates(conjuncts))
	if !ok {
		ri.put(m, &ei.rest, conjuncts)
	}
	rest := conjuncts
	if ok {
		rest = chosen.rest(conjuncts)
	}
	for _, p := range chosen.postings {
		ei.column(p).buckets(p, func(b *bucket) { ri.put(m, b, rest) })
	}
}

// put puts a member into a bucket with what is left to evaluate.
func (ri *relationIndex) put(m member, b *bucket, rest []Expr) {
	var p *predicate
	if len(rest) > 0 {
		p = ri.predicates.of(And(rest...))
	}
	added := b.group(p).add(m)
	ls := ri.locations[m]
	switch {
	case ls.group == nil:
		ls.location = added
	case ls.more == nil:
		ls.more = &[]location{added}
	default:
		*ls.more = append(*ls.more, added)
	}
	ri.locations[m] = ls
}

// remove takes a member out wherever it is filed.
func (ri *relationIndex) remove(m member) {
	ls, filed := ri.locations[m]
	if !filed {
		return
	}
	delete(ri.locations, m)
	ri.take(ls.location)
	if ls.more != nil {
		for _, l := range *ls.more {
			ri.take(l)
		}
	}
}

// take takes the member at a location away. The last member of its group moves
// there, so that the group has no gap.
func (ri *relationIndex) take(l location) {
	g := l.group
	last := uint32(len(g.members) - 1)
	if moved := g.members[last]; l.at != last {
		g.members[l.at] = moved
		ri.move(moved, g, l.at)
	}
	g.members = g.members[:last]
	if g.predicate != nil {
		ri.predicates.release(g.predicate)
	}
	if last == 0 {
		g.bucket.remove(g)
	}
}

// move records that a member has another index in a group than before.
func (ri *relationIndex) move(m member, g *group, at uint32) {
	ls := ri.locations[m]
	if ls.group == g {
		ls.at = at
		ri.locations[m] = ls
		return
	}
	i := slices.IndexFunc(*ls.more, func(l location) bool { return l.group == g })
	(*ls.more)[i].at = at
}

// match visits the members that may want the change that the matcher has begun.
func (ri *relationIndex) match(m *matcher, op wal.Operation) {
	for _, ei := range ri.byEvents {
		if ei.events.Has(op) {
			ei.match(m)
		}
	}
}

// forEvents returns the index of a set of events, new if need be.
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
