package filters

import "walcast/replication/wal"

// Index finds the values whose selectors match a change. It belongs to one
// shard and is not safe for concurrent use. Adding and removing do not depend
// on the number of other selectors (ranges: on its logarithm).
type Index[T comparable] struct {
	certainty certainty
	names     map[tableName]*tableSelectors
	members   []*registration[T] // by member; nil is free
	free      []member
	relations map[uint32]*relationIndex
	byName    map[tableName]*relationIndex
	count     int
	matcher   matcher
}

// registration is a selector and the values that were added under equal ones.
type registration[T comparable] struct {
	selector Selector
	at       int // index in the members of its tableSelectors
	values   values[T]
}

// tableSelectors are the selectors with one schema and table.
type tableSelectors struct {
	members []member
	byKey   map[selectorKey]member
}

// NewIndex returns an empty index for the changes of one database.
func NewIndex[T comparable](l Locale) *Index[T] {
	ix := &Index[T]{
		certainty: l.certainty(),
		names:     map[tableName]*tableSelectors{},
		relations: map[uint32]*relationIndex{},
		byName:    map[tableName]*relationIndex{},
	}
	ix.matcher.whole = ix.whole
	return ix
}

// whole is the expression of a member for a change, with all its conditions.
func (ix *Index[T]) whole(m member, c *wal.Change) Expr {
	for _, w := range ix.members[m].selector.wheres(c.Relation, ix.certainty) {
		if w.events.Has(c.Operation) {
			return w.expr
		}
	}
	return Constant(False)
}

// Add files v under the selector. The same v may be added under several.
func (ix *Index[T]) Add(s Selector, v T) {
	ix.count++
	name, key := s.key()
	r := ix.names[name]
	if r == nil {
		r = &tableSelectors{byKey: map[selectorKey]member{}}
		ix.names[name] = r
	}
	m, known := r.byKey[key]
	if !known {
		m = ix.enter(r, s)
		r.byKey[key] = m
		ix.eachRelation(name, func(ri *relationIndex) { ix.file(ri, m) })
	}
	ix.members[m].values.add(v)
}

// enter gives a selector its number.
func (ix *Index[T]) enter(r *tableSelectors, s Selector) member {
	m := member(len(ix.members))
	if n := len(ix.free); n > 0 {
		m = ix.free[n-1]
		ix.free = ix.free[:n-1]
	} else {
		ix.members = append(ix.members, nil)
	}
	ix.members[m] = &registration[T]{selector: s, at: len(r.members)}
	r.members = append(r.members, m)
	return m
}

// Remove takes back one Add with an equal selector and value.
func (ix *Index[T]) Remove(s Selector, v T) {
	name, key := s.key()
	r := ix.names[name]
	if r == nil {
		return
	}
	m, known := r.byKey[key]
	if !known || !ix.members[m].values.remove(v) {
		return
	}
	ix.count--
	if len(ix.members[m].values.list) > 0 {
		return
	}
	ix.eachRelation(name, func(ri *relationIndex) { ri.remove(m) })
	delete(r.byKey, key)
	last := len(r.members) - 1
	moved := r.members[last]
	r.members[ix.members[m].at] = moved
	ix.members[moved].at = ix.members[m].at
	r.members = r.members[:last]
	if last == 0 {
		delete(ix.names, name)
	}
	ix.members[m] = nil
	ix.free = append(ix.free, m)
}

// Len is the number of values added and not removed.
func (ix *Index[T]) Len() int { return ix.count }

// eachRelation calls f for the known relations that a name covers.
func (ix *Index[T]) eachRelation(name tableName, f func(*relationIndex)) {
	if name.literal() {
		if ri := ix.byName[name]; ri != nil {
			f(ri)
		}
		return
	}
	for _, ri := range ix.relations {
		if name.covers(ri.rel.Schema, ri.rel.Table) {
			f(ri)
		}
	}
}

func (ix *Index[T]) file(ri *relationIndex, m member) {
	for _, w := range ix.members[m].selector.wheres(ri.rel, ix.certainty) {
		ri.file(m, w)
	}
}

// relation returns the index of a relation as it is now.
func (ix *Index[T]) relation(rel *wal.Relation) *relationIndex {
	ri := ix.relations[rel.OID]
	if ri != nil && ri.rel == rel {
		return ri
	}
	if ri != nil && ri.rel.SameShape(rel) {
		ri.rel = rel
		return ri
	}
	ix.Invalidate(rel.OID)
	name := tableName{rel.Schema, rel.Table}
	if former := ix.byName[name]; former != nil {
		ix.Invalidate(former.rel.OID) // another table has taken the name
	}
	ri = newRelationIndex(rel)
	ix.relations[rel.OID], ix.byName[name] = ri, ri
	for _, n := range []tableName{name, {rel.Schema, wildcard}, {wildcard, rel.Table}, {wildcard, wildcard}} {
		if r := ix.names[n]; r != nil {
			for _, m := range r.members {
				ix.file(ri, m)
			}
		}
	}
	return ri
}

// Invalidate forgets what was compiled for a relation, as after a change of
// its policies. A Relation of another shape does so by itself.
func (ix *Index[T]) Invalidate(relation uint32) {
	ri := ix.relations[relation]
	if ri == nil {
		return
	}
	delete(ix.relations, relation)
	delete(ix.byName, tableName{ri.rel.Schema, ri.rel.Table})
}

// Match calls yield once for each (selector, value) that the change matches, by
// its new row for INSERT and UPDATE and by its old row for DELETE: with True, or
// with Undecided where Postgres has to be asked, see Decide. A TRUNCATE matches
// whatever the filter is. A selector whose filter does not compile for the
// relation matches nothing. yield must not change the index.
func (ix *Index[T]) Match(c *wal.Change, yield func(T, Truth)) {
	if c.Relation == nil {
		return
	}
	ix.find(ix.relation(c.Relation), c)
	for _, m := range ix.matcher.matched {
		ix.each(m, True, yield)
	}
	for _, m := range ix.matcher.doubtful {
		if ix.matcher.isNew(m) {
			ix.each(m, Undecided, yield)
		}
	}
}

// each calls yield for the values of a member.
func (ix *Index[T]) each(m member, t Truth, yield func(T, Truth)) {
	for i := range ix.members[m].values.list {
		yield(ix.members[m].values.list[i].value, t)
	}
}

// find runs the matcher over a change.
func (ix *Index[T]) find(ri *relationIndex, c *wal.Change) {
	row := c.New
	switch c.Operation {
	case wal.Delete:
		row = c.Old
	case wal.Truncate:
		row = nil
	}
	ix.matcher.begin(c, row, len(ix.members))
	ri.match(&ix.matcher, c.Operation)
}
