package pgoutput

import (
	"bytes"

	"walcast/replication/wal"
)

// LogicalMessage is what pg_logical_emit_message wrote.
type LogicalMessage struct {
	// Transactional messages are also a Change with a position. The others come
	// at once, even from transactions that roll back, and again after a reconnect.
	Transactional   bool
	LSN             wal.LSN
	Prefix, Content string // empty of messages that are not kept
}

// KeepMessages says which logical messages are kept, by their prefix; without it
// all are. Others are reported without prefix and content, and are no Change:
// any other tool may write them, of up to 1 GB.
func (d *Decoder) KeepMessages(keep func(prefix []byte) bool) { d.keep = keep }

// What stands in front of the prefix of a logical message, after its kind.
const (
	logicalHead = 1 + 8 // flags, LSN

	flagTransactional = 1
	// FlagCut marks a logical message whose content was left out on the way here
	// because it is too large. Postgres uses no such flag.
	FlagCut = 0x80
)

// strip takes prefix and content out of a logical message that is not wanted.
func (d *Decoder) strip(data []byte) (rest []byte, wanted bool) {
	if data[0] != 'M' || d.keep == nil || len(data) <= logicalHead {
		return data, true
	}
	end := bytes.IndexByte(data[1+logicalHead:], 0)
	if end < 0 || d.keep(data[1+logicalHead:][:end]) {
		return data, true
	}
	return append(bytes.Clone(data[:1+logicalHead]), 0, 0, 0, 0, 0), false
}

// logical reads what pg_logical_emit_message wrote. A transactional message
// takes an index like any change, whatever its prefix: the stream always has
// all of them, so indexes do not depend on which of them are used.
func (d *Decoder) logical(f *fields, wanted bool, out *Decoded) error {
	size := f.left()
	flags, lsn, prefix := f.byte(), wal.LSN(f.uint64()), f.text()
	content := f.take(int(f.uint32()))
	if f.short {
		return errShort
	}
	if d.encoding.Content != nil {
		content = d.encoding.Content(content)
	}
	out.Message = &LogicalMessage{Transactional: flags&flagTransactional != 0, LSN: lsn, Prefix: prefix, Content: content}
	if !out.Message.Transactional {
		return nil
	}
	end := d.tx.end
	c, err := d.change(wal.Message, nil, size)
	if err != nil {
		return err
	}
	if !wanted {
		d.changes, d.tx.end = d.changes[:0], end
		return nil
	}
	c.Prefix, c.Content, c.Cut = prefix, content, flags&FlagCut != 0
	return nil
}
