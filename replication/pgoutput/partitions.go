package pgoutput

import (
	"slices"

	"walcast/replication/wal"
)

// partitions are the partitions of a table that is published as their root, as far as the
// stream has told of them. Each has a replica identity of its own, and a row does not say
// which partition it was in: what a null of its old row means is found out by what each
// of them sends. One that is gone by now does no harm.
type partitions struct {
	list []*known
	sends
}

// sends is what the partitions send of old rows.
type sends struct {
	whole  bool   // some send all columns
	narrow []keys // what the others send, each once
	// unchanged are the columns that an UPDATE without an old row has left alone,
	// whichever partition it was in.
	unchanged []bool
}

// keys are the columns of a replica identity that is not FULL, by index of the root's.
type keys struct {
	columns []bool
	known   bool // false if they may be any
}

// add adds a partition, or takes in what is new of it.
func (ps *partitions) add(p *known) {
	if !slices.Contains(ps.list, p) {
		ps.list = append(ps.list, p)
	}
}

// remove takes a partition out.
func (ps *partitions) remove(p *known) {
	ps.list = slices.DeleteFunc(ps.list, func(o *known) bool { return o == p })
}

// settle finds out what the partitions send, and returns the Old of the root.
func (ps *partitions) settle(root *wal.Relation) []wal.Sent {
	ps.sends = sends{}
	if len(ps.list) == 0 {
		return nil
	}
	unusable := false // a partition has no identity, so that Postgres refuses its UPDATE and DELETE
	for _, p := range ps.list {
		switch k := keysOf(root, p.relation); {
		case p.relation.ReplicaIdentity == wal.IdentityFull:
			ps.whole = true
		case k.known && !slices.Contains(k.columns, true):
			unusable = true
		case !slices.ContainsFunc(ps.narrow, k.equal):
			ps.narrow = append(ps.narrow, k)
		}
	}
	old := make([]wal.Sent, len(root.Columns))
	ps.unchanged = make([]bool, len(root.Columns))
	for i := range old {
		some, all := ps.whole, true
		for _, k := range ps.narrow {
			some, all = some || k.has(i) || !k.known, all && k.has(i)
		}
		ps.unchanged[i] = all && len(ps.narrow) > 0
		switch {
		case all && !unusable:
			old[i] = wal.SentAlways
		case some:
			old[i] = wal.SentSometimes
		}
	}
	return old
}

// keysOf are the columns of a partition's replica identity that is not FULL. Where a
// publication lists columns, Postgres describes others of a partition whose columns are in
// another order. The primary key of a partition is that of its root, if there is one.
func keysOf(root, partition *wal.Relation) keys {
	k := keys{columns: make([]bool, len(root.Columns)), known: true}
	if partition.ReplicaIdentity == wal.IdentityNothing {
		return k
	}
	for i, c := range root.Columns {
		j := partition.Column(c.Name)
		if j < 0 {
			return keysByRoot(root, partition)
		}
		k.columns[i] = partition.Columns[j].Identity
	}
	return k
}

func keysByRoot(root, partition *wal.Relation) keys {
	k := keys{columns: make([]bool, len(root.Columns))}
	if partition.ReplicaIdentity == wal.IdentityDefault && root.HasKey() {
		k.known = true
		for i, c := range root.Columns {
			k.columns[i] = c.Key
		}
	}
	return k
}

func (k keys) has(column int) bool { return k.columns[column] }

func (k keys) equal(o keys) bool { return k.known == o.known && slices.Equal(k.columns, o.columns) }

// fit reports whether the partition may have sent an old row: columns of a key are not
// null, and of others there is nothing.
func (k keys) fit(old wal.Row) bool {
	if !k.known {
		return true
	}
	for i := range old {
		if (old[i].Kind == wal.Null) == k.has(i) {
			return false
		}
	}
	return true
}

// isWhole reports whether an old row is certainly of a partition that sends all columns,
// so that its nulls are NULL.
func (s *sends) isWhole(old wal.Row) bool {
	return s.whole && !slices.ContainsFunc(s.narrow, func(k keys) bool { return k.fit(old) })
}
