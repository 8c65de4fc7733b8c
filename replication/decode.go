package replication

import "time"

// Decoder turns the pgoutput messages of one connection into changes. It
// remembers the relations that the connection has told of, so every connection
// needs a new one; an error leaves it unusable. It belongs to one goroutine.
type Decoder struct{}

// NewDecoder returns a decoder at the start of a stream. describe resolves
// what pgoutput does not say of a relation; see Catalog. It is called when a
// relation is new or has changed, never per row, and when it fails the stream
// goes on with built-in types only.
func NewDecoder(describe func(relation uint32, types []uint32) (Description, error)) *Decoder {
	panic("contract")
}

// Decode reads one message of proto_version 1, the payload of XLogData. data
// may be overwritten afterwards.
func (d *Decoder) Decode(data []byte) (Decoded, error) { panic("contract") }

// InTransaction reports whether a Begin has come and its Commit has not. The
// position of a keepalive means nothing meanwhile.
func (d *Decoder) InTransaction() bool { panic("contract") }

// Decoded is what one message came to.
type Decoded struct {
	// Changes are the changes made, in order: one for a row, one for each
	// table of a TRUNCATE, one for a transactional logical message. The slice
	// is valid until the next Decode, the changes for ever.
	Changes []*Change
	// Commit is the position of the transaction's commit record, set from
	// Begin to Commit; 0 outside of a transaction.
	Commit LSN
	// CommitTime is when the transaction committed, as the server's clock has
	// it. Zero outside of a transaction.
	CommitTime time.Time
	// End is where the transaction ends, the LSN to confirm and to hand to
	// Log.Append; only a Commit has it.
	End LSN
	// Message is the logical message if it was one, transactional or not.
	Message *LogicalMessage
}

// LogicalMessage is what pg_logical_emit_message wrote.
type LogicalMessage struct {
	// Transactional messages are also a Change with a position. The others come
	// at once, even from transactions that roll back, and again after a reconnect.
	Transactional   bool
	LSN             LSN
	Prefix, Content string
}
