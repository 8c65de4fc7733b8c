package pgoutput

import (
	"slices"

	"walcast/replication/wal"
)

// relation reads a Relation message, and the type OIDs of the columns.
func (f *fields) relation() (*wal.Relation, []uint32, error) {
	r := &wal.Relation{OID: f.uint32(), Schema: f.text(), Table: f.text(), ReplicaIdentity: wal.ReplicaIdentity(f.byte())}
	if r.Schema == "" {
		r.Schema = "pg_catalog"
	}
	n := int(f.uint16())
	const least = 10 // bytes of a column
	if n*least > f.left() {
		return nil, nil, errShort
	}
	r.Columns = make([]wal.Column, n)
	types := make([]uint32, n)
	for i := range r.Columns {
		c := &r.Columns[i]
		c.Identity = f.byte()&1 != 0
		c.Name = f.text()
		types[i] = f.uint32()
		c.Modifier = int32(f.uint32())
	}
	if f.short {
		return nil, nil, errShort
	}
	return r, types, nil
}

// showsKey reports whether the replica identity of r is the primary key.
func showsKey(r *wal.Relation) bool {
	return r.ReplicaIdentity == wal.IdentityDefault && slices.ContainsFunc(r.Columns, func(c wal.Column) bool { return c.Identity })
}

// sameNames reports whether two states of a table have columns of the same names.
func sameNames(a, b *wal.Relation) bool {
	return slices.EqualFunc(a.Columns, b.Columns, func(c, d wal.Column) bool { return c.Name == d.Name })
}

// setKey marks the columns of the primary key, by name.
func setKey(r *wal.Relation, names []string) {
	for i := range r.Columns {
		r.Columns[i].Key = slices.Contains(names, r.Columns[i].Name)
	}
}

// keepKey takes the primary key over from what the table was before.
func keepKey(r, previous *wal.Relation) {
	if previous == nil {
		return
	}
	for i := range r.Columns {
		j := previous.Column(r.Columns[i].Name)
		r.Columns[i].Key = j >= 0 && previous.Columns[j].Key
	}
}
