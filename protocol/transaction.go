package protocol

import "strconv"

// Committed is the content of postgres_commit, which follows the last change of a
// transaction.
type Committed struct {
	LSN             string // of the commit
	XID             uint32
	Position        string // beyond the transaction's last change
	CommitTimestamp string // raw JSON as AppendTimestamp writes it
}

// Append writes the payload.
func (c Committed) Append(dst []byte) []byte {
	dst = append(dst, `{"lsn":`...)
	dst = appendQuoted(dst, c.LSN)
	dst = append(dst, `,"xid":`...)
	dst = strconv.AppendUint(dst, uint64(c.XID), 10)
	dst = append(dst, `,"position":`...)
	dst = appendQuoted(dst, c.Position)
	dst = append(dst, `,"commit_timestamp":`...)
	dst = append(dst, c.CommitTimestamp...)
	return append(dst, '}')
}

// Commit builds postgres_commit, after which an event stream goes on at its
// position.
func (v Version) Commit(topic string, c Committed) *Frame {
	return v.PushAt(c.Position, "", "", topic, EventPostgresCommit, c.Append(nil))
}
