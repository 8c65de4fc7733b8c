package replication

import "slices"

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
// Relation message makes a new one, so whoever caches something about a table
// by this pointer is invalidated exactly in WAL order.
//
// Make it with NewRelation: one without what that adds works, but slower.
type Relation struct {
	OID             uint32
	Schema, Table   string
	ReplicaIdentity ReplicaIdentity
	Columns         []Column

	json []columnJSON // of each column; nil in a Relation made by hand
}

// Column is one column of a relation, in attribute order without gaps.
type Column struct {
	Name     string
	Type     *Type // never nil
	Modifier int32 // atttypmod, -1 for none
	Identity bool  // part of the replica identity (all columns when FULL)
	Key      bool  // part of the primary key
}

// NewRelation completes a relation with what its rows are written with.
func NewRelation(r Relation) *Relation {
	r.json = make([]columnJSON, len(r.Columns))
	for i, c := range r.Columns {
		r.json[i] = newColumnJSON(c)
	}
	return &r
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
// name, identity, columns, types and keys. ANALYZE, GRANT and many others cause
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
		if c.Name != d.Name || c.Modifier != d.Modifier || c.Identity != d.Identity || c.Key != d.Key || !c.Type.same(d.Type) {
			return false
		}
	}
	return true
}

// showsKey reports whether the replica identity is the primary key.
func (r *Relation) showsKey() bool {
	return r.ReplicaIdentity == IdentityDefault && slices.ContainsFunc(r.Columns, func(c Column) bool { return c.Identity })
}

// setKey marks the columns of the primary key.
func (r *Relation) setKey(names []string) {
	for i := range r.Columns {
		r.Columns[i].Key = slices.Contains(names, r.Columns[i].Name)
	}
}

// keepKey takes the primary key over from what the table was before.
func (r *Relation) keepKey(previous *Relation) {
	if previous == nil {
		return
	}
	for i := range r.Columns {
		j := previous.Column(r.Columns[i].Name)
		r.Columns[i].Key = j >= 0 && previous.Columns[j].Key
	}
}

// relation reads a Relation message, and the type OIDs of the columns.
func (s *scan) relation() (*Relation, []uint32, error) {
	r := &Relation{OID: s.uint32(), Schema: s.text(), Table: s.text(), ReplicaIdentity: ReplicaIdentity(s.byte())}
	if r.Schema == "" {
		r.Schema = "pg_catalog"
	}
	n := int(s.uint16())
	const least = 10 // bytes of a column
	if n*least > s.left() {
		return nil, nil, errShort
	}
	r.Columns = make([]Column, n)
	types := make([]uint32, n)
	for i := range r.Columns {
		c := &r.Columns[i]
		c.Identity = s.byte()&1 != 0
		c.Name = s.text()
		types[i] = s.uint32()
		c.Modifier = int32(s.uint32())
	}
	if s.short {
		return nil, nil, errShort
	}
	return r, types, nil
}
