package filters

import "walcast/replication/wal"

// Index finds the values whose selectors match a change. It belongs to one
// shard and is not safe for concurrent use. What Add and Remove cost does not
// depend on how many selectors there are, or for ranges on the logarithm of that.
type Index[T comparable] struct {
	certainty certainty
	names     map[tableName]*tableSelectors
	selectors []*registration[T] // by selectorID; nil if the id is free
	free      []selectorID
	relations map[uint32]*relationIndex
	byName    map[tableName]*relationIndex
	count     int
	matcher   matcher
}

// registration is a selector and the values that were added under selectors equal
// to it.
type registration[T comparable] struct {
	selector Selector
	at       int // index in the ids of its tableSelectors
	values   values[T]
}

// tableSelectors is the selectors with one schema and table.
type tableSelectors struct {
	ids   []selectorID
	byKey map[selectorKey]selectorID
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

// whole returns the expression of a selector for a change, with all its conditions.
func (ix *Index[T]) whole(id selectorID, c *wal.Change) Expr {
	for _, w := range ix.selectors[id].selector.wheres(c.Relation, ix.certainty) {
		if w.events.Has(c.Operation) {
			return w.expr
		}
	}
	return Constant(False)
}

// Add files v under the selector. One v may be added under several selectors.
func (ix *Index[T]) Add(s Selector, v T) {
	ix.count++
	name, key := s.key()
	ts := ix.names[name]
	if ts == nil {
		ts = &tableSelectors{byKey: map[selectorKey]selectorID{}}
		ix.names[name] = ts
	}
	id, known := ts.byKey[key]
	if !known {
		id = ix.enter(ts, s)
		ts.byKey[key] = id
		ix.eachRelation(name, func(ri *relationIndex) { ix.file(ri, id) })
	}
	ix.selectors[id].values.add(v)
}

// enter gives a selector an id.
func (ix *Index[T]) enter(ts *tableSelectors, s Selector) selectorID {
	id := selectorID(len(ix.selectors))
	if n := len(ix.free); n > 0 {
		id = ix.free[n-1]
		ix.free = ix.free[:n-1]
	} else {
		ix.selectors = append(ix.selectors, nil)
	}
	ix.selectors[id] = &registration[T]{selector: s, at: len(ts.ids)}
	ts.ids = append(ts.ids, id)
	return id
}

// Remove takes back one Add with an equal selector and value.
func (ix *Index[T]) Remove(s Selector, v T) {
	name, key := s.key()
	ts := ix.names[name]
	if ts == nil {
		return
	}
	id, known := ts.byKey[key]
	if !known || !ix.selectors[id].values.remove(v) {
		return
	}
	ix.count--
	if len(ix.selectors[id].values.list) > 0 {
		return
	}
	ix.eachRelation(name, func(ri *relationIndex) { ri.remove(id) })
	delete(ts.byKey, key)
	last := len(ts.ids) - 1
	moved := ts.ids[last]
	ts.ids[ix.selectors[id].at] = moved
	ix.selectors[moved].at = ix.selectors[id].at
	ts.ids = ts.ids[:last]
	if last == 0 {
		delete(ix.names, name)
	}
	ix.selectors[id] = nil
	ix.free = append(ix.free, id)
}

// Len returns the number of values added and not removed.
func (ix *Index[T]) Len() int { return ix.count }

// eachRelation calls f for the known relations that a name covers.
func (ix *Index[T]) eachRelation(name tableName, f func(*relationIndex)) {
	if name.exact() {
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

// file files a selector in the index of a relation.
func (ix *Index[T]) file(ri *relationIndex, id selectorID) {
	for _, w := range ix.selectors[id].selector.wheres(ri.rel, ix.certainty) {
		ri.file(id, w)
	}
}

// relation returns the index of a relation. What was filed for another shape of
// the relation, or for another table of the same name, is filed anew.
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
		ix.Invalidate(former.rel.OID) // the name belongs to another table now
	}
	ri = newRelationIndex(rel)
	ix.relations[rel.OID], ix.byName[name] = ri, ri
	for _, n := range []tableName{name, {rel.Schema, wildcard}, {wildcard, rel.Table}, {wildcard, wildcard}} {
		if ts := ix.names[n]; ts != nil {
			for _, id := range ts.ids {
				ix.file(ri, id)
			}
		}
	}
	return ri
}

// Invalidate forgets what was compiled for a relation. It is to be called after a
// change of the relation's policies; a change of its columns is noticed by Match.
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
	for _, id := range ix.matcher.matched {
		ix.each(id, True, yield)
	}
	for _, id := range ix.matcher.doubtful {
		if ix.matcher.isNew(id) {
			ix.each(id, Undecided, yield)
		}
	}
}

// each calls yield for the values of a selector.
func (ix *Index[T]) each(id selectorID, t Truth, yield func(T, Truth)) {
	for i := range ix.selectors[id].values.list {
		yield(ix.selectors[id].values.list[i].value, t)
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
	ix.matcher.begin(c, row, len(ix.selectors))
	ri.match(&ix.matcher, c.Operation)
}
