package filters

import (
	"slices"

	"walcast/filters/datum"
	"walcast/replication/wal"
)

// relationIndex is who wants the changes of one relation, by their conditions.
type relationIndex struct {
	rel        *wal.Relation
	drawers    []*drawer
	predicates predicates
	places     map[member]placement
	doubtful   int // members that Postgres may have to be asked about
}

// drawer is who wants the same operations.
type drawer struct {
	events    EventSet
	columns   []*columnIndex
	byOperand map[operandKey]*columnIndex
	rest      bucket // who cannot be found by a column
}

// operandKey identifies an operand and how its values are read.
type operandKey struct {
	name string
	typ  datum.Type
}

// placement is where a member is filed. Most are in one place.
type placement struct {
	place
	doubtful bool
	more     *[]place
}

func newRelationIndex(rel *wal.Relation) *relationIndex {
	return &relationIndex{rel: rel, predicates: predicates{}, places: map[member]placement{}}
}

// file files a member under an expression.
func (ri *relationIndex) file(m member, w where) {
	conjuncts := []Expr{w.expr}
	switch e := w.expr.(type) {
	case constant:
		if Truth(e) != True {
			return // never
		}
		conjuncts = nil
	case conjunction:
		conjuncts = e
	}
	d := ri.drawer(w.events)
	chosen, ok := d.choose(candidates(conjuncts))
	if !ok {
		ri.put(m, &d.rest, conjuncts)
	}
	rest := conjuncts
	if ok {
		rest = chosen.rest(conjuncts)
	}
	for _, p := range chosen.postings {
		d.column(p).buckets(p, func(b *bucket) { ri.put(m, b, rest) })
	}
	if mayAsk(w.expr) {
		ri.doubt(m)
	}
}

// put puts a member into a bucket with what is left to evaluate.
func (ri *relationIndex) put(m member, b *bucket, rest []Expr) {
	var p *predicate
	if len(rest) > 0 {
		p = ri.predicates.of(And(rest...))
	}
	at := b.group(p).add(m)
	where := ri.places[m]
	switch {
	case where.group == nil:
		where.place = at
	case where.more == nil:
		where.more = &[]place{at}
	default:
		*where.more = append(*where.more, at)
	}
	ri.places[m] = where
}

// doubt counts a member that Postgres may have to be asked about.
func (ri *relationIndex) doubt(m member) {
	if where, filed := ri.places[m]; filed && !where.doubtful {
		where.doubtful = true
		ri.places[m] = where
		ri.doubtful++
	}
}

// remove takes a member out of all its places.
func (ri *relationIndex) remove(m member) {
	where, filed := ri.places[m]
	if !filed {
		return
	}
	delete(ri.places, m)
	if where.doubtful {
		ri.doubtful--
	}
	ri.take(where.place)
	if where.more != nil {
		for _, p := range *where.more {
			ri.take(p)
		}
	}
}

// take takes the member of a place away; the last of the group moves there.
func (ri *relationIndex) take(p place) {
	g := p.group
	last := uint32(len(g.members) - 1)
	if moved := g.members[last]; p.at != last {
		g.members[p.at] = moved
		ri.move(moved, g, p.at)
	}
	g.members = g.members[:last]
	if g.predicate != nil {
		ri.predicates.release(g.predicate)
	}
	if last == 0 {
		g.home.remove(g)
	}
}

// move tells a member where in a group it stands now.
func (ri *relationIndex) move(m member, g *group, at uint32) {
	where := ri.places[m]
	if where.group == g {
		where.at = at
		ri.places[m] = where
		return
	}
	i := slices.IndexFunc(*where.more, func(p place) bool { return p.group == g })
	(*where.more)[i].at = at
}

// match finds who wants the change that the matcher has begun.
func (ri *relationIndex) match(m *matcher, op wal.Operation) {
	for _, d := range ri.drawers {
		if d.events.Has(op) {
			d.match(m)
		}
	}
}

func (ri *relationIndex) drawer(events EventSet) *drawer {
	for _, d := range ri.drawers {
		if d.events == events {
			return d
		}
	}
	d := &drawer{events: events, byOperand: map[operandKey]*columnIndex{}}
	ri.drawers = append(ri.drawers, d)
	return d
}

// choose takes the most selective candidate; of equals, the one with fewer
// members already, so that a condition that all share is nobody's place.
func (d *drawer) choose(found []candidate) (candidate, bool) {
	best, ok := first(found)
	if !ok || best.rank != rankKeys || len(found) == 1 {
		return best, ok
	}
	fewest := d.population(best)
	for _, c := range found {
		if c.rank != rankKeys || fewest == 0 {
			continue
		}
		if n := d.population(c); n < fewest {
			best, fewest = c, n
		}
	}
	return best, true
}

func (d *drawer) population(c candidate) int {
	n := 0
	for _, p := range c.postings {
		if ci := d.byOperand[operandKey{p.operand.name, p.typ}]; ci != nil {
			n += ci.population(p)
		}
	}
	return n
}

func (d *drawer) column(p posting) *columnIndex {
	key := operandKey{p.operand.name, p.typ}
	ci := d.byOperand[key]
	if ci == nil {
		ci = newColumnIndex(p.operand, p.typ)
		d.byOperand[key] = ci
		d.columns = append(d.columns, ci)
	}
	return ci
}

func (d *drawer) match(m *matcher) {
	m.visit(&d.rest)
	empty := 0
	for _, ci := range d.columns {
		if ci.empty() {
			empty++
			continue
		}
		ci.match(m)
	}
	if empty > 8 && empty*2 > len(d.columns) {
		d.prune()
	}
}

// prune forgets operands that nobody is filed under any more: JSON paths are
// clients' to invent.
func (d *drawer) prune() {
	kept := d.columns[:0]
	for _, ci := range d.columns {
		if ci.empty() {
			delete(d.byOperand, operandKey{ci.operand.name, ci.typ})
			continue
		}
		kept = append(kept, ci)
	}
	clear(d.columns[len(kept):])
	d.columns = kept
}
