package wal

// Sent says of a column whether old rows have it.
type Sent uint8

// Whether old rows have a column: those of no partition, of some, of all.
const (
	SentNever Sent = iota
	SentSometimes
	SentAlways
)

// OldHas reports whether old rows have a column, by its index.
func (r *Relation) OldHas(column int) Sent {
	switch {
	case r.Old != nil:
		return r.Old[column]
	case r.Columns[column].Identity:
		return SentAlways
	}
	return SentNever
}

// SendsWhole reports whether every old row has all columns.
func (r *Relation) SendsWhole() bool {
	for i := range r.Columns {
		if r.OldHas(i) != SentAlways {
			return false
		}
	}
	return true
}

// IsWhole reports whether the row has a value, or NULL, of every column.
func (r Row) IsWhole() bool {
	for i := range r {
		if r[i].Kind == Absent {
			return false
		}
	}
	return r != nil
}
