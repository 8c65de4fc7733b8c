package protocol

import (
	"encoding/json"
	"strconv"
)

// The codes of the system events around the rows of a snapshot.
const (
	CodeSnapshotBegin = "snapshot_begin"
	CodeSnapshotEnd   = "snapshot_end"
)

// SnapshotReason is why a snapshot comes.
type SnapshotReason string

// The reasons of snapshots: the channel was joined, or the server has lost its place;
// of views also that who may see what has changed, that the table was emptied by
// TRUNCATE, and that its columns are others.
const (
	SnapshotJoin     SnapshotReason = "join"
	SnapshotResync   SnapshotReason = "resync"
	SnapshotAccess   SnapshotReason = "access"
	SnapshotTruncate SnapshotReason = "truncate"
	SnapshotSchema   SnapshotReason = "schema"
)

// SnapshotBegin is what the system event before the rows of a snapshot says.
type SnapshotBegin struct {
	Bindings []byte   // raw JSON array of their ids
	Key      []string // the columns that tell rows apart
	Order    []byte   // raw JSON array of how each term of the order sorts; nil without an order
	Snapshot string   // a pg_snapshot
	Reason   SnapshotReason
}

// SnapshotEnd is what the system event behind the rows of a snapshot says.
type SnapshotEnd struct {
	Bindings []byte // raw JSON array of their ids
	Snapshot string // a pg_snapshot
	Position string // from which a client goes on that has the rows
	Rows     int
	Keys     *int // how many keys the server holds for the views among the bindings; nil without a view
}

// SnapshotBegins is the system event before the rows of a snapshot.
func (a Address) SnapshotBegins(b SnapshotBegin) *Frame {
	dst := a.openSnapshot(CodeSnapshotBegin, b.Bindings)
	dst = append(dst, `,"key":`...)
	dst = appendStrings(dst, b.Key)
	if b.Order != nil {
		dst = append(append(dst, `,"order":`...), b.Order...)
	}
	dst = append(dst, `,"snapshot":`...)
	dst = appendQuoted(dst, b.Snapshot)
	dst = append(dst, `,"reason":`...)
	dst = appendQuoted(dst, string(b.Reason))
	return a.Push(EventSystem, append(dst, '}'))
}

// SnapshotEnds is the system event behind the rows of a snapshot. An event stream
// goes on after it at its position.
func (a Address) SnapshotEnds(e SnapshotEnd) *Frame {
	dst := a.openSnapshot(CodeSnapshotEnd, e.Bindings)
	dst = append(dst, `,"snapshot":`...)
	dst = appendQuoted(dst, e.Snapshot)
	dst = append(dst, `,"position":`...)
	dst = appendQuoted(dst, e.Position)
	dst = append(dst, `,"rows":`...)
	dst = strconv.AppendInt(dst, int64(e.Rows), 10)
	if e.Keys != nil {
		dst = append(dst, `,"keys":`...)
		dst = strconv.AppendInt(dst, int64(*e.Keys), 10)
	}
	return a.Version.PushAt(e.Position, a.JoinRef, "", a.Topic, EventSystem, append(dst, '}'))
}

// openSnapshot writes what both events have in common.
func (a Address) openSnapshot(code string, bindings []byte) json.RawMessage {
	dst := appendSystem(make([]byte, 0, 256+len(bindings)), ExtensionPostgres, StatusOK, code, a.SubTopic())
	dst = append(dst, `,"code":`...)
	dst = appendQuoted(dst, code)
	dst = append(dst, `,"bindings":`...)
	return append(dst, bindings...)
}
