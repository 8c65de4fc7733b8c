package relay

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"

	"walcast/internal/nodes"
	"walcast/replication/wal"
)

// Term is one node's reading of the slot: a stream. A later one is greater, as Postgres
// lets one node read at a time.
type Term struct {
	Timeline int32   // of the WAL
	Begun    wal.LSN // where the WAL ended when the node had got the slot
	At       int64   // when that was, in microseconds since 1970 by the clock of Postgres
}

// Compare is negative when t is before o, 0 when they are equal.
func (t Term) Compare(o Term) int {
	return cmp.Or(cmp.Compare(t.Timeline, o.Timeline), cmp.Compare(t.Begun, o.Begun), cmp.Compare(t.At, o.At))
}

const termSize = 4 + 8 + 8

func (t Term) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(t.Timeline))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Begun))
	return binary.BigEndian.AppendUint64(b, uint64(t.At))
}

// termOf reads what append has written in front of b.
func termOf(b []byte) Term {
	return Term{int32(binary.BigEndian.Uint32(b)), wal.LSN(binary.BigEndian.Uint64(b[4:])), int64(binary.BigEndian.Uint64(b[12:]))}
}

// Batch is a stretch of a stream. Without records it is a beat: it says how far the
// stream has come.
type Batch struct {
	Term   Term
	Number uint64 // counts the batches of the stream from 1 on; a beat has that of the last one
	// Everything that commits before Prev was told before the batch, and what commits
	// before Last is told by it.
	Prev, Last wal.LSN
	Inside     bool // it begins inside of a transaction
	// Prelude says that it is not of the stream: it tells who goes on with the batch
	// after it what the stream has told of tables before.
	Prelude bool
	Records []byte // see Each
}

// The kinds of records.
const (
	// KindMessage is a message of the plugin, the payload of XLogData.
	KindMessage = 'w'
	// KindPart is the beginning of a message that is too long, or what follows it; the
	// rest comes as KindMessage.
	KindPart = 'c'
	// KindKeepalive says that everything that commits before an LSN has come.
	KindKeepalive = 'k'
	// KindOpening is an Opening, in the first batch of a stream and in a prelude.
	KindOpening = 'o'
)

const (
	// format is that of messages between nodes, the first byte of each.
	format = 1

	flagInside  = 1
	flagPrelude = 2

	header = 1 + termSize + 8 + 8 + 8 + 1
)

// Encode is the batch as it is sent.
func (b Batch) Encode() []byte {
	e := make([]byte, 0, header+len(b.Records))
	e = b.Term.append(append(e, format))
	for _, n := range []uint64{b.Number, uint64(b.Prev), uint64(b.Last)} {
		e = binary.BigEndian.AppendUint64(e, n)
	}
	flags := byte(0)
	if b.Inside {
		flags |= flagInside
	}
	if b.Prelude {
		flags |= flagPrelude
	}
	return append(append(e, flags), b.Records...)
}

// DecodeBatch reads what Encode writes. The batch refers to the message.
func DecodeBatch(message []byte) (b Batch, err error) {
	switch {
	case len(message) > 0 && message[0] > format:
		return b, nodes.NewerError{Does: "sends the WAL", Format: message[0], Most: format}
	case len(message) < header || message[0] != format:
		return b, fmt.Errorf("read batch of the WAL: %w", nodes.ErrCut)
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(message[1+termSize+8*i:]) }
	b.Term, b.Number, b.Prev, b.Last = termOf(message[1:]), at(0), wal.LSN(at(1)), wal.LSN(at(2))
	flags := message[header-1]
	b.Inside, b.Prelude, b.Records = flags&flagInside != 0, flags&flagPrelude != 0, message[header:]
	switch {
	case flags > flagInside|flagPrelude:
		return Batch{}, errors.New("read batch of the WAL: unknown flags")
	case b.Last < b.Prev:
		return Batch{}, errors.New("read batch of the WAL: it ends before it begins")
	case b.Number == 0 && !b.Prelude:
		return Batch{}, errors.New("read batch of the WAL: it has no number")
	}
	return b, b.Each(func(kind byte, _ []byte) error {
		switch kind {
		case KindMessage, KindPart, KindKeepalive, KindOpening:
			return nil
		}
		return fmt.Errorf("read batch of the WAL: unknown record %q", kind)
	})
}

// IsBeat reports whether there are no records.
func (b Batch) IsBeat() bool { return len(b.Records) == 0 && !b.Prelude }

// begins reports whether it is the first of its stream, before which nothing has to be
// known.
func (b Batch) begins() bool { return b.Number == 1 && !b.Prelude && !b.IsBeat() }

// Each calls f for each record, until it returns an error.
func (b Batch) Each(f func(kind byte, payload []byte) error) error {
	for rest := b.Records; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size == 0 || size > uint64(len(rest)-n) {
			return fmt.Errorf("read record of the WAL: %w", nodes.ErrCut)
		}
		record := rest[n:][:size]
		rest = rest[n+int(size):]
		if err := f(record[0], record[1:]); err != nil {
			return err
		}
	}
	return nil
}

// appendRecord adds a record.
func appendRecord(records []byte, kind byte, payload []byte) []byte {
	records = binary.AppendUvarint(records, uint64(1+len(payload)))
	return append(append(records, kind), payload...)
}

// KeepaliveLSN reads the payload of a KindKeepalive.
func KeepaliveLSN(payload []byte) (wal.LSN, error) {
	if len(payload) != 8 {
		return 0, fmt.Errorf("read keepalive of the WAL: it has %d bytes", len(payload))
	}
	return wal.LSN(binary.BigEndian.Uint64(payload)), nil
}
