package pgoutput

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"walcast/replication/wal"
)

// message builds pgoutput messages by hand, for what a server does not send.
type message []byte

func (m message) u8(b byte) message     { return append(m, b) }
func (m message) u16(n uint16) message  { return binary.BigEndian.AppendUint16(m, n) }
func (m message) u32(n uint32) message  { return binary.BigEndian.AppendUint32(m, n) }
func (m message) u64(n uint64) message  { return binary.BigEndian.AppendUint64(m, n) }
func (m message) str(s string) message  { return append(append(m, s...), 0) }
func (m message) raw(b ...byte) message { return append(m, b...) }

// tuple adds a tuple: nil is NULL, unchanged{} an unchanged TOAST value.
func (m message) tuple(values ...any) message {
	m = m.u16(uint16(len(values)))
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			m = m.u8('n')
		case unchanged:
			m = m.u8('u')
		case string:
			m = append(m.u8('t').u32(uint32(len(v))), v...)
		}
	}
	return m
}

type unchanged struct{}

const (
	testRelation = 20000 // OID of the relation that relationMessage describes
	testEnum     = 20001 // OID of a type that is not built in
)

// testTime is a commit time.
var testTime = time.Date(2024, 2, 3, 4, 5, 6, 789012000, time.UTC)

func beginMessage(commit wal.LSN, at time.Time) message {
	const era = 946_684_800_000_000
	return message{'B'}.u64(uint64(commit)).u64(uint64(at.UnixMicro() - era)).u32(7)
}

func commitMessage(commit, end wal.LSN) message {
	return message{'C'}.u8(0).u64(uint64(commit)).u64(uint64(end)).u64(0)
}

// testColumn is a column of a Relation message.
type testColumn struct {
	name     string
	oid      uint32
	identity bool
}

func relationMessage(identity wal.ReplicaIdentity, columns ...testColumn) message {
	m := message{'R'}.u32(testRelation).str("public").str("t").u8(byte(identity)).u16(uint16(len(columns)))
	for _, c := range columns {
		flags := byte(0)
		if c.identity {
			flags = 1
		}
		m = m.u8(flags).str(c.name).u32(c.oid).u32(0xffffffff)
	}
	return m
}

func insertMessage(values ...any) message {
	return message{'I'}.u32(testRelation).u8('N').tuple(values...)
}

// noCatalog fails like a catalog without a connection.
func noCatalog(uint32, []uint32) (wal.Description, error) {
	return wal.Description{}, errors.New("no connection")
}

// decodeAll decodes messages that are right, and returns what the last came to.
func decodeAll(t testing.TB, d *Decoder, messages ...message) Decoded {
	t.Helper()
	var last Decoded
	for _, m := range messages {
		var err error
		if last, err = d.Decode(m); err != nil {
			t.Fatalf("Decode(%q): %v", m, err)
		}
	}
	return last
}

// idAndName is the relation that most tests use.
func idAndName(identity wal.ReplicaIdentity) message {
	isFull := identity == wal.IdentityFull
	return relationMessage(identity, testColumn{"id", 23, true}, testColumn{"name", 25, isFull})
}
