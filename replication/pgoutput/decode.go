package pgoutput

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"walcast/replication/wal"
)

// errShort means that a message ends before its last field does.
var errShort = errors.New("message is cut off")

// maxMessage is the size of a message above which large values are left out of
// the change (Change.Cut): a row may reach 1 GB, the log is a fraction of that.
const maxMessage = 64 << 20

// Decoder turns the pgoutput messages of one connection into changes. It
// remembers the relations that the connection has told of, so every connection
// needs a new one; an error leaves it unusable. It belongs to one goroutine.
type Decoder struct {
	relations relations
	lineage   Lineage
	tx        transaction
	changes   []*wal.Change // of the last message, reused
	limit     int
	keep      func(prefix []byte) bool // logical messages; nil keeps all
	encoding  Encoding
}

// Encoding says how text becomes UTF-8; nil is for text that is.
type Encoding struct {
	Text    func(string) string // names and values
	Content func(string) string // of logical messages, which Postgres sends as it was written
}

// Encode says how text becomes UTF-8.
func (d *Decoder) Encode(e Encoding) { d.encoding = e }

// transaction is what Begin says of the changes that follow, and how many have.
type transaction struct {
	open   bool
	commit wal.LSN
	time   time.Time
	xid    uint32
	first  uint32 // the first transaction of the stream
	seq    uint32
	rows   bool   // it has changed a table, so that a Commit ends it
	end    uint32 // the index after the last change that was made of it
}

// NewDecoder returns a decoder at the start of a stream. describe resolves
// what pgoutput does not say of a relation; it is the Describe of a
// catalog.Catalog. It is called when a relation is new or may have changed,
// never per row. When it fails the decoder goes on with what it knows: built-in
// types, and text for the others until describe works again at a later change of
// the relation. A caller that must not send such rows stops decoding instead.
func NewDecoder(describe func(relation uint32, types []uint32) (wal.Description, error)) *Decoder {
	return &Decoder{relations: newRelations(describe), limit: maxMessage}
}

// Decoded is what one message was decoded to.
type Decoded struct {
	// Changes are the changes made, in order: one for a row, one for each
	// table of a TRUNCATE, one for a transactional logical message, one for the
	// end of a transaction that has changed a table. The slice is valid until
	// the next Decode, the changes for ever.
	Changes []*wal.Change
	// Commit is the position of the transaction's commit record, set from
	// Begin to Commit; 0 outside of a transaction.
	Commit wal.LSN
	// CommitTime is when the transaction committed, as the server's clock has
	// it. Zero outside of a transaction.
	CommitTime time.Time
	// End is where the transaction ends, the LSN to confirm and to hand to
	// changelog.Log.Append; only a Commit has it.
	End wal.LSN
	// Message is the logical message if it was one, transactional or not, and
	// kept or not (KeepMessages).
	Message *LogicalMessage
}

// Outdate has what is known of types, by OID, read again before the next row that
// has any of them.
func (d *Decoder) Outdate(types []uint32) { d.relations.outdate(types) }

// InTransaction reports whether a Begin has come and its Commit has not. The
// position of a keepalive means nothing meanwhile.
func (d *Decoder) InTransaction() bool { return d.tx.open }

// XID is the transaction whose messages come, 0 outside of one.
func (d *Decoder) XID() uint32 {
	if !d.tx.open {
		return 0
	}
	return d.tx.xid
}

// IsRelation reports whether data, the payload of XLogData, is a Relation message:
// the description of a table as of the transaction that is being read.
func IsRelation(data []byte) bool { return len(data) > 0 && data[0] == 'R' }

// Decode reads one message of proto_version 1, the payload of XLogData. data
// may be overwritten afterwards: one copy is made, and values share it.
func (d *Decoder) Decode(data []byte) (Decoded, error) {
	if len(data) == 0 {
		return Decoded{}, fmt.Errorf("decode message: %w", errShort)
	}
	d.changes = d.changes[:0]
	if root, partition, ok := d.lineage.Read(data); ok {
		d.relations.join(root, partition)
	}
	out := Decoded{}
	data, wanted := d.strip(data)
	f := fields{data: string(data[1:]), convert: d.encoding.Text}
	err := d.message(data[0], &f, wanted, &out)
	switch {
	case f.short:
		// Whatever err says, it is about fields that were never there.
		return Decoded{}, fmt.Errorf("decode %s: %w", kindName(data[0]), errShort)
	case err != nil:
		return Decoded{}, fmt.Errorf("decode %s: %w", kindName(data[0]), err)
	case f.left() > 0:
		return Decoded{}, fmt.Errorf("decode %s: %d bytes left over", kindName(data[0]), f.left())
	}
	out.Changes = d.changes
	if d.tx.open {
		out.Commit, out.CommitTime = d.tx.commit, d.tx.time
	}
	return out, nil
}

// Recall reads messages that tell what a stream has told of tables before it begins here,
// as Lineage.Recall has them. It is to be called in the first transaction.
func (d *Decoder) Recall(messages [][]byte) error {
	var lineage Lineage
	for _, message := range messages {
		if _, err := d.Decode(message); err != nil {
			return err
		}
		if root, partition, ok := lineage.Recall(message); ok {
			d.relations.join(root, partition)
		}
	}
	d.lineage = Lineage{} // these were not one after the other in the stream
	return nil
}

func (d *Decoder) message(kind byte, f *fields, wanted bool, out *Decoded) error {
	switch kind {
	case 'B':
		return d.begin(f)
	case 'C':
		return d.commit(f, out)
	case 'I':
		return d.insert(f)
	case 'U':
		return d.update(f)
	case 'D':
		return d.delete(f)
	case 'T':
		return d.truncate(f)
	case 'M':
		return d.logical(f, wanted, out)
	case 'R':
		return d.relations.learn(f, &d.tx)
	case 'Y':
		d.relations.hint(f)
		return nil
	case 'O':
		f.uint64() // where a replicated-in transaction comes from: of no use here
		f.text()
		return nil
	case 'S', 'E', 'c', 'A':
		return errors.New("streamed transactions were not asked for")
	case 'b', 'P', 'K', 'r', 'p':
		return errors.New("the slot was created with two_phase, which this reader does not support: drop it")
	}
	return errors.New("not a message of protocol version 1")
}

func (d *Decoder) begin(f *fields) error {
	commit, micros := wal.LSN(f.uint64()), int64(f.uint64())
	xid := f.uint32()
	if d.tx.open {
		return fmt.Errorf("transaction %s has not ended", d.tx.commit)
	}
	d.tx = transaction{open: true, commit: commit, time: postgresTime(micros), xid: xid, first: cmp.Or(d.tx.first, xid)}
	return nil
}

func (d *Decoder) commit(f *fields, out *Decoded) error {
	f.byte() // flags, none defined
	commit, end := wal.LSN(f.uint64()), wal.LSN(f.uint64())
	f.uint64() // the time is in Begin as well
	if !d.tx.open || commit != d.tx.commit {
		return fmt.Errorf("transaction %s has not begun", commit)
	}
	out.Commit, out.CommitTime, out.End = commit, d.tx.time, end
	d.addCommit()
	d.tx.open = false
	return nil
}

// addCommit makes the Commit of a transaction that has changed a table. Its position
// follows that of the last change that was made, and not of one that was left
// out, so that the position before it is always one that somebody can go on from.
func (d *Decoder) addCommit() {
	if !d.tx.rows {
		return
	}
	d.changes = append(d.changes, &wal.Change{
		Position:  wal.Position{LSN: d.tx.commit, Seq: d.tx.end},
		Operation: wal.Commit, XID: d.tx.xid, CommitTime: d.tx.time, Bytes: changeSize,
	})
}

// truncate makes one change for each table, in the order of the message.
func (d *Decoder) truncate(f *fields) error {
	n := f.uint32()
	f.byte() // CASCADE and RESTART IDENTITY: the tables are all listed, sequences do not matter
	if int64(n)*4 != int64(f.left()) {
		return fmt.Errorf("%d tables in %d bytes", n, f.left())
	}
	for range n {
		r, err := d.relations.find(f.uint32(), &d.tx)
		if err != nil {
			return err
		}
		if _, err := d.change(wal.Truncate, r.relation, 0); err != nil {
			return err
		}
	}
	return nil
}

// postgresTime converts microseconds since 2000-01-01 UTC.
func postgresTime(micros int64) time.Time {
	const era = 946_684_800 // in Unix seconds
	return time.Unix(era+micros/1e6, micros%1e6*1e3).UTC()
}

func kindName(kind byte) string {
	switch kind {
	case 'B':
		return "begin"
	case 'C':
		return "commit"
	case 'I':
		return "insert"
	case 'U':
		return "update"
	case 'D':
		return "delete"
	case 'T':
		return "truncate"
	case 'M':
		return "logical message"
	case 'R':
		return "relation"
	case 'Y':
		return "type"
	case 'O':
		return "origin"
	}
	return fmt.Sprintf("message of kind %q", kind)
}
