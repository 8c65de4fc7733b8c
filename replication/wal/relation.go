package wal

import "sync/atomic"

// ReplicaIdentity is how much of the old row UPDATE and DELETE carry
// (pg_class.relreplident).
type ReplicaIdentity byte

// The replica identities.
const (
	IdentityDefault ReplicaIdentity = 'd' // primary key
	IdentityNothing ReplicaIdentity = 'n'
	IdentityFull    ReplicaIdentity = 'f'
	IdentityIndex   ReplicaIdentity = 'i'
)

// Relation is a table as pgoutput describes it at one point of the WAL, with
// the types and the primary key that the catalog adds. It is immutable. Every
// Relation message makes a new one, so what is cached about a table by this
// pointer is invalidated exactly in WAL order.
//
// Make it with NewRelation: one made by hand works, but has its Derived value
// computed at every call.
type Relation struct {
	OID             uint32 // pg_class.oid
	Schema, Table   string
	ReplicaIdentity ReplicaIdentity
	Columns         []Column // those that are published, in attribute order
	// Old is what old rows have, by index of Columns, of a table that is published as the
	// root of its partitions: each of these has a replica identity of its own, and the root's
	// counts for nothing. It is nil for other tables, see OldHas.
	Old       []Sent
	Announced Announcement

	derived *atomic.Value // see Derived; nil in a Relation made by hand
}

// Announcement says where in its stream a Relation message came, by ids of transactions.
// If it is not the first of the table, something that the table depends on was committed
// after the row before it: a policy, a grant, but also the end of an ANALYZE.
type Announcement struct {
	First uint32 // the first transaction of the stream
	Last  uint32 // the last one before the message with rows of the table; 0 if there was none
	XID   uint32 // the one with whose rows the message came
}

// Column is one column of a relation, in attribute order without gaps.
type Column struct {
	Name     string
	Type     *Type // never nil
	Modifier int32 // atttypmod, -1 for none
	Identity bool  // part of the table's replica identity (all columns when FULL)
	Key      bool  // part of the primary key
}

// NewRelation returns a copy of r that stores what is Derived from it.
func NewRelation(r Relation) *Relation {
	r.derived = new(atomic.Value)
	return &r
}

// Derived returns what derive makes of the relation, and stores it so that it is
// made once, as it costs much more than a row. There is room for one value: all
// callers use the same derive. It may be called at once.
func (r *Relation) Derived(derive func(*Relation) any) any {
	if r.derived == nil {
		return derive(r)
	}
	if made := r.derived.Load(); made != nil {
		return made
	}
	r.derived.CompareAndSwap(nil, derive(r))
	return r.derived.Load()
}

// Column returns the index of the named column, or -1.
func (r *Relation) Column(name string) int {
	for i := range r.Columns {
		if r.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// HasKey reports whether the table has a primary key.
func (r *Relation) HasKey() bool {
	for i := range r.Columns {
		if r.Columns[i].Key {
			return true
		}
	}
	return false
}

// SameShape reports whether rows of both relations mean the same: equal OID,
// name, identity, columns, types, keys and columns of old rows. ANALYZE, GRANT and many others cause
// a Relation message that changes none of these.
func (r *Relation) SameShape(o *Relation) bool {
	if r == o {
		return true
	}
	if o == nil || r.OID != o.OID || r.Schema != o.Schema || r.Table != o.Table ||
		r.ReplicaIdentity != o.ReplicaIdentity || len(r.Columns) != len(o.Columns) {
		return false
	}
	for i, c := range r.Columns {
		d := o.Columns[i]
		if c.Name != d.Name || c.Modifier != d.Modifier || c.Identity != d.Identity || c.Key != d.Key || !c.Type.same(d.Type) || r.OldHas(i) != o.OldHas(i) {
			return false
		}
	}
	return true
}
