package wal

import "time"

// Operation is what a change did.
type Operation uint8

// The operations. Message is a logical decoding message
// (pg_logical_emit_message), which has no relation. Commit ends each transaction
// that has changed a table: it comes after the last of its changes, says nothing
// of a row, and has no relation either.
const (
	Insert Operation = iota + 1
	Update
	Delete
	Truncate
	Message
	Commit
)

// String is the operation as the wire has it: INSERT, UPDATE, DELETE, TRUNCATE.
func (o Operation) String() string {
	switch o {
	case Insert:
		return "INSERT"
	case Update:
		return "UPDATE"
	case Delete:
		return "DELETE"
	case Truncate:
		return "TRUNCATE"
	case Message:
		return "MESSAGE"
	case Commit:
		return "COMMIT"
	}
	return "UNKNOWN"
}

// Change is one decoded INSERT, UPDATE or DELETE of one row, one TRUNCATE of
// one table, one transactional logical message, or the Commit that ends a
// transaction. It is immutable once the decoder has made it, and shared by all
// readers of the log.
type Change struct {
	Position   Position
	Operation  Operation
	XID        uint32    // of the top-level transaction; it wraps around
	CommitTime time.Time // of the transaction by the server's clock; UTC, whole microseconds
	Relation   *Relation // nil for Message and Commit

	// New is the row after an INSERT or UPDATE. A Value of kind Absent is an
	// unchanged TOAST value that could not be filled in from Old.
	New Row
	// Old is what the replica identity sends of the row before an UPDATE or
	// DELETE; nil when nothing was sent. For an UPDATE under the default or
	// an index identity that left the key alone, the decoder fills it with
	// the identity columns of New, as clients expect them; of a partition with
	// those that are in the identity of all partitions.
	Old Row

	// Cut says that the row was too large to keep: values over 4 KiB outside of
	// the key are Absent in New and Old. A Message has no Content then.
	Cut bool

	// Prefix and Content belong to Message only.
	Prefix, Content string

	// Bytes is the memory that the change holds, in bytes, for the log's budget.
	Bytes int
}

// Row has one Value for each of Relation.Columns, in that order.
type Row []Value

// Value is one column of a row in the text form that the type's output function
// writes, with the settings that the replication connection pins (ISO dates, UTC,
// bytea as hex).
type Value struct {
	Text string // meaningful only when Kind is Text
	Kind ValueKind
}

// ValueKind tells a value from NULL and from "was not sent".
type ValueKind uint8

// The kinds of value. The zero Value is Absent: not in the WAL at all, either
// outside the replica identity or an unchanged TOAST value, or left out of a
// Change that is Cut.
const (
	Absent ValueKind = iota
	Null
	Text
)
