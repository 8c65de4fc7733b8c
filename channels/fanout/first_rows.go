package fanout

import (
	"time"

	"walcast/channels/live"
	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// A binding that asks for a snapshot first gets the rows that there are, then the
// changes that these do not have. Until then, and again when the server has lost its
// place, its snapshot is due, and nothing is sent for the binding. A subscription with a
// due snapshot is on a catch-up of its own, which takes the snapshot and sends it; all
// other bindings of the channel wait for that too.

// awaiting is what a subscription knows of its first rows, beyond what its bindings do.
// It is guarded by the lock of its delivery.
type awaiting struct {
	isArmed bool                             // the client was told that its bindings work
	hadRows bool                             // a snapshot was sent to it
	rows    map[*diagnose.Binding]*firstRows // of the bindings that ask for a snapshot; nil without any
}

// firstRows is what is known of the rows that a binding begins with.
type firstRows struct {
	due   bool           // they are still to be sent
	again bool           // the client has had some before, or has named a position
	named bool           // it goes on from a position that was not looked at yet
	taken *live.Snapshot // those that were sent last; nil for none
}

// lack reports whether the rows that were sent do not have a change.
func (r *firstRows) lack(c *wal.Change) bool {
	return r == nil || !r.due && (r.taken == nil || !r.taken.Sees(c))
}

// reason is why rows that are due are sent.
func (r *firstRows) reason() protocol.SnapshotReason {
	if r.again {
		return protocol.SnapshotResync
	}
	return protocol.SnapshotJoin
}

// rows is what is known of the rows that the binding begins with; nil if it asks for
// none.
func (b *binding) rows() *firstRows {
	if b.subscription.awaiting.rows == nil {
		return nil
	}
	return b.subscription.awaiting.rows[b.Binding]
}

// isDue reports whether the rows of a binding are still to be sent.
func (b *binding) isDue() bool {
	r := b.rows()
	return r != nil && r.due
}

// EncodeRows returns what encodes the rows of snapshots as those of changes are, values
// above maxBytes cut.
func EncodeRows(maxBytes int) func(b *diagnose.Binding, view *policy.View) func(dst []byte, row wal.Row, at time.Time) []byte {
	return func(b *diagnose.Binding, view *policy.View) func(dst []byte, row wal.Row, at time.Time) []byte {
		columns := newBinding(nil, b, nil).see(view, newTableState(view.Relation))
		return func(dst []byte, row wal.Row, at time.Time) []byte {
			c := &wal.Change{Operation: wal.Insert, Relation: view.Relation, New: row, CommitTime: at}
			return appendData(dst, c, dataKey{columns: columns, fullOld: true, snapshot: true}, maxBytes)
		}
	}
}
