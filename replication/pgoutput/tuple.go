package pgoutput

import (
	"fmt"
	"strings"
	"unsafe"

	"walcast/replication/wal"
)

const (
	changeSize = int(unsafe.Sizeof(wal.Change{}))
	valueSize  = int(unsafe.Sizeof(wal.Value{}))

	// cutValue is the size above which a value is left out of a change whose
	// message is too large. It bounds the rest: 1,600 columns of that size.
	cutValue = 4 << 10
)

// change adds a change with the next index of the transaction. size is the part
// of the message that the change refers to, in bytes.
func (d *Decoder) change(op wal.Operation, rel *wal.Relation, size int) (*wal.Change, error) {
	if !d.tx.open {
		return nil, fmt.Errorf("%s outside of a transaction", op)
	}
	c := &wal.Change{
		Position:   wal.Position{LSN: d.tx.commit, Seq: d.tx.seq},
		Operation:  op,
		XID:        d.tx.xid,
		CommitTime: d.tx.time,
		Relation:   rel,
		Bytes:      changeSize + size,
	}
	d.tx.seq++
	d.tx.end, d.tx.rows = d.tx.seq, d.tx.rows || rel != nil
	d.changes = append(d.changes, c)
	return c, nil
}

func (d *Decoder) insert(f *fields) error {
	size := f.left()
	r, err := d.relations.find(f.uint32(), &d.tx)
	if err != nil {
		return err
	}
	if mark := f.byte(); mark != 'N' {
		return fmt.Errorf("tuple of kind %q, want a new one", mark)
	}
	row := make(wal.Row, len(r.relation.Columns))
	if err := f.tuple(row); err != nil {
		return err
	}
	return d.row(wal.Insert, r, row, nil, size)
}

func (d *Decoder) update(f *fields) error {
	size := f.left()
	r, err := d.relations.find(f.uint32(), &d.tx)
	if err != nil {
		return err
	}
	n := len(r.relation.Columns)
	values := make(wal.Row, 2*n)
	row, old := values[:n:n], values[n:]
	mark := f.byte()
	switch mark {
	case 'K', 'O':
		if err := f.oldTuple(mark, r, old); err != nil {
			return err
		}
		mark = f.byte()
	default:
		old = nil
	}
	if mark != 'N' {
		return fmt.Errorf("tuple of kind %q, want a new one", mark)
	}
	if err := f.tuple(row); err != nil {
		return err
	}
	if old == nil {
		old = r.oldKey(row, values[n:])
	} else {
		fill(row, old)
	}
	return d.row(wal.Update, r, row, old, size)
}

func (d *Decoder) delete(f *fields) error {
	size := f.left()
	r, err := d.relations.find(f.uint32(), &d.tx)
	if err != nil {
		return err
	}
	mark := f.byte()
	if mark != 'K' && mark != 'O' {
		return fmt.Errorf("tuple of kind %q, want an old one", mark)
	}
	old := make(wal.Row, len(r.relation.Columns))
	if err := f.oldTuple(mark, r, old); err != nil {
		return err
	}
	return d.row(wal.Delete, r, nil, old, size)
}

// row adds the change of a row.
func (d *Decoder) row(op wal.Operation, r *known, row, old wal.Row, size int) error {
	if r.isStale(row) {
		d.relations.refresh(r, d.tx.time)
	}
	c, err := d.change(op, r.relation, size+(len(row)+len(old))*valueSize)
	if err != nil {
		return err
	}
	c.New, c.Old = row, old
	if size > d.limit {
		cut(c)
	}
	return nil
}

// tuple reads one tuple into row, which is all Absent. An unchanged TOAST value
// stays so.
func (f *fields) tuple(row wal.Row) error {
	if n := int(f.uint16()); n != len(row) {
		return fmt.Errorf("tuple of %d columns, the relation has %d", n, len(row))
	}
	for i := range row {
		switch kind := f.byte(); kind {
		case 't':
			row[i] = wal.Value{Text: f.utf8(f.take(int(f.uint32()))), Kind: wal.Text}
		case 'n':
			row[i].Kind = wal.Null
		case 'u':
		default:
			return fmt.Errorf("value of kind %q in column %d", kind, i)
		}
		if f.short {
			return errShort
		}
	}
	return nil
}

// oldTuple reads what the replica identity says of the old row. A key tuple has a null for
// every column outside of the key: it was not sent. Whether it is one, the mark tells only
// of a table whose rows are its own: of partitions it goes by the root's identity.
func (f *fields) oldTuple(mark byte, r *known, old wal.Row) error {
	if err := f.tuple(old); err != nil {
		return err
	}
	ofPartition := len(r.partitions.list) > 0
	if ofPartition && r.partitions.isWhole(old) || !ofPartition && mark == 'O' {
		return nil
	}
	for i := range old {
		if old[i].Kind == wal.Null && (ofPartition || !r.relation.Columns[i].Identity) {
			old[i].Kind = wal.Absent
		}
	}
	return nil
}

// fill takes unchanged TOAST values from the old row: under FULL it has all, a
// key tuple has a key that is stored out of line.
func fill(row, old wal.Row) {
	for i := range row {
		if row[i].Kind == wal.Absent {
			row[i] = old[i]
		}
	}
}

// oldKey is the old row of an UPDATE that left the identity alone: Postgres
// sends none, clients expect the identity columns. It is nil if there is none.
func (r *known) oldKey(row, old wal.Row) wal.Row {
	if i := r.relation.ReplicaIdentity; len(r.partitions.list) == 0 && i != wal.IdentityDefault && i != wal.IdentityIndex {
		return nil
	}
	any := false
	for i := range row {
		if r.leaves(i) {
			old[i], any = row[i], true
		}
	}
	if !any {
		return nil
	}
	return old
}

// leaves reports whether an UPDATE without an old row has left a column alone.
func (r *known) leaves(column int) bool {
	if len(r.partitions.list) > 0 {
		return r.partitions.unchanged[column]
	}
	return r.relation.Columns[column].Identity
}

// cut leaves large values outside of the key out and lets go of the message.
func cut(c *wal.Change) {
	c.Cut = true
	c.Bytes = changeSize + (len(c.New)+len(c.Old))*valueSize
	for _, row := range []wal.Row{c.New, c.Old} {
		for i := range row {
			column := &c.Relation.Columns[i]
			isKey := column.Key || column.Identity && c.Relation.ReplicaIdentity != wal.IdentityFull
			if len(row[i].Text) > cutValue && !isKey {
				row[i] = wal.Value{}
			}
			row[i].Text = strings.Clone(row[i].Text)
			c.Bytes += len(row[i].Text)
		}
	}
}
