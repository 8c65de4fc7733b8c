package pgoutput

import (
	"encoding/binary"
	"testing"

	"walcast/internal/golden"
	"walcast/replication/rowjson"
	"walcast/replication/wal"
)

// FuzzDecode feeds a stream of messages, each behind its length: state that one
// message leaves must not let the next do harm.
func FuzzDecode(f *testing.F) {
	for _, c := range golden.Cases(f, captures+"*.hex") {
		var stream []byte
		for _, m := range readMessages(f, c) {
			stream = binary.BigEndian.AppendUint16(stream, uint16(min(len(m), 1<<16-1)))
			stream = append(stream, m...)
		}
		if len(stream) < 8<<10 {
			f.Add(stream)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		d := NewDecoder(noCatalog)
		var newest wal.Position
		for len(stream) >= 2 {
			n := min(int(binary.BigEndian.Uint16(stream)), len(stream)-2)
			m := stream[2 : 2+n]
			stream = stream[2+n:]
			got, err := d.Decode(m)
			if err != nil {
				return
			}
			for _, c := range got.Changes {
				checkChange(t, c, len(m))
				if c.Position.LSN == newest.LSN && c.Position.Compare(newest) <= 0 && c.Position.Seq > 0 {
					t.Errorf("position %v after %v", c.Position, newest)
				}
				newest = c.Position
			}
		}
	})
}

// checkChange holds what consumers rely on, and that a message of few bytes
// does not make a change of many.
func checkChange(t *testing.T, c *wal.Change, size int) {
	t.Helper()
	if c.Operation == wal.Message || c.Operation == wal.Commit {
		return
	}
	n := len(c.Relation.Columns)
	if c.New != nil && len(c.New) != n || c.Old != nil && len(c.Old) != n {
		t.Errorf("%s with rows of %d and %d values; the relation has %d columns", c.Operation, len(c.New), len(c.Old), n)
	}
	held := 0
	for _, v := range c.New {
		held += len(v.Text)
	}
	if held > 2*size { // values filled from the old row count twice
		t.Errorf("%d bytes of values from a message of %d", held, size)
	}
	rowjson.Encoding{}.AppendRecord(nil, c.Relation, c.New, nil)
	rowjson.Encoding{}.AppendRecord(nil, c.Relation, c.Old, nil)
}
