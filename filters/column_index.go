package filters

import (
	"walcast/filters/datum"
	"walcast/replication/wal"
)

// columnIndex holds the selectors that are filed under values of one operand.
type columnIndex struct {
	operand *operand
	typ     datum.Type // nil if the conditions only test for NULL or for a value

	keys     map[datum.Key]*bucket
	emptied  int // how many buckets of keys are empty
	null     bucket
	absent   bucket // for rows without the column
	spans    spanTree
	unequal  complement // for neq, which NULL does not match
	distinct complement // for isdistinct, which NULL matches
}

func newColumnIndex(o *operand, typ datum.Type) *columnIndex {
	return &columnIndex{operand: o, typ: typ, keys: map[datum.Key]*bucket{}, spans: spanTree{typ: typ, seed: 2463534242}}
}

// bucketEmptied implements bucketOwner for the buckets of keys. A bucket does not
// know its key, so empty ones are removed when there are many.
func (ci *columnIndex) bucketEmptied() {
	if ci.emptied++; ci.emptied <= 16 || ci.emptied*2 <= len(ci.keys) {
		return
	}
	for key, b := range ci.keys {
		if len(b.groups) == 0 {
			delete(ci.keys, key)
		}
	}
	ci.emptied = 0
}

// bucket returns the bucket of a key, which it makes if there is none.
func (ci *columnIndex) bucket(key datum.Key) *bucket {
	b := ci.keys[key]
	switch {
	case b == nil:
		b = &bucket{owner: ci}
		ci.keys[key] = b
	case len(b.groups) == 0:
		ci.emptied--
	}
	return b
}

// buckets calls f for each bucket of a posting.
func (ci *columnIndex) buckets(p posting, f func(*bucket)) {
	switch {
	case p.unequal && p.null:
		f(ci.distinct.bucket(p.keys[0]))
	case p.unequal:
		f(ci.unequal.bucket(p.keys[0]))
	case p.span != nil:
		f(ci.spans.bucket(*p.span))
	case p.null:
		f(&ci.null)
	case p.absent:
		f(&ci.absent)
	default:
		for _, key := range p.keys {
			f(ci.bucket(key))
		}
	}
}

// population estimates how many selectors are filed where a posting leads.
func (ci *columnIndex) population(p posting) int {
	n := 0
	for _, key := range p.keys {
		if b := ci.keys[key]; b != nil {
			n += b.population()
		}
	}
	return n
}

// empty reports whether no selector is filed here.
func (ci *columnIndex) empty() bool {
	return len(ci.keys) == ci.emptied && len(ci.null.groups) == 0 && len(ci.absent.groups) == 0 && ci.spans.root == nil &&
		len(ci.unequal.list) == 0 && len(ci.distinct.list) == 0
}

// match visits the buckets that a row leads to.
func (ci *columnIndex) match(m *matcher) {
	text, kind := ci.operand.text(m.row)
	switch kind {
	case wal.Null:
		m.visit(&ci.null)
		ci.distinct.visit(m, nil)
		return
	case wal.Absent:
		m.visit(&ci.absent)
		return
	}
	if ci.typ == nil {
		return
	}
	v, ok := m.value(ci.operand, ci.typ, text)
	if !ok {
		ci.visitAll(m)
		return
	}
	if b := ci.keys[v.Key]; b != nil {
		m.visit(b)
	}
	ci.unequal.visit(m, &v.Key)
	ci.distinct.visit(m, &v.Key)
	switch {
	case ci.spans.root == nil:
	case v.Unordered:
		ci.spans.root.each(m.visitWhole)
	default:
		ci.spans.root.around(&v, func(n *spanNode) { m.visit(&n.bucket) })
	}
}

// visitAll evaluates every selector for a value that Go cannot read, as only
// Postgres knows which of the selectors the value matches.
func (ci *columnIndex) visitAll(m *matcher) {
	for _, b := range ci.keys {
		m.visitWhole(b)
	}
	for _, c := range [...]*complement{&ci.unequal, &ci.distinct} {
		for _, b := range c.list {
			m.visitWhole(&b.bucket)
		}
	}
	ci.spans.root.each(m.visitWhole)
}

// complement holds the selectors that match all values but one, by that value.
type complement struct {
	keys map[datum.Key]*otherBucket
	list []*otherBucket
}

// otherBucket holds the selectors that match all values but key.
type otherBucket struct {
	bucket
	of  *complement
	key datum.Key
	at  int // index in of.list
}

// bucketEmptied implements bucketOwner.
func (b *otherBucket) bucketEmptied() {
	c := b.of
	last := len(c.list) - 1
	c.list[b.at] = c.list[last]
	c.list[b.at].at = b.at
	c.list[last] = nil
	c.list = c.list[:last]
	delete(c.keys, b.key)
}

// bucket returns the bucket of all values but key, which it makes if there is none.
func (c *complement) bucket(key datum.Key) *bucket {
	b := c.keys[key]
	if b == nil {
		b = &otherBucket{of: c, key: key, at: len(c.list)}
		b.owner = b
		if c.keys == nil {
			c.keys = map[datum.Key]*otherBucket{}
		}
		c.keys[key] = b
		c.list = append(c.list, b)
	}
	return &b.bucket
}

// visit visits all buckets but that of the row's own value, which key is; nil is
// NULL, for which there is no bucket to leave out.
func (c *complement) visit(m *matcher, key *datum.Key) {
	if len(c.list) == 0 {
		return
	}
	var own *otherBucket
	if key != nil {
		own = c.keys[*key]
	}
	for _, b := range c.list {
		if b != own {
			m.visit(&b.bucket)
		}
	}
}
