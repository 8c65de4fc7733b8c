package replication

import "walcast/replication/wal"

// batchChanges and batchBytes bound what is kept back from the log while more
// is at hand: enough to take the log's lock seldom, little enough that
// consumers start on a large transaction while it is still being read.
const (
	batchChanges = 512
	batchBytes   = 256 << 10
)

// batch collects changes until they are appended to the log.
type batch struct {
	changes  []*wal.Change
	bytes    int
	complete int     // changes[:complete] are of complete transactions
	isClosed bool    // a transaction was completed since takeComplete
	upTo     wal.LSN // everything that commits before it has come; never goes back
}

func (b *batch) add(changes []*wal.Change) {
	for _, c := range changes {
		b.changes = append(b.changes, c)
		b.bytes += c.Bytes
	}
}

// close marks everything so far as complete up to end: a commit, or a
// keepalive outside of transactions, which is a transaction without changes.
// The position of a keepalive may lag behind the commit before it.
func (b *batch) close(end wal.LSN) {
	b.complete, b.isClosed = len(b.changes), true
	b.upTo = max(b.upTo, end)
}

// isFull reports that the changes should be appended although their
// transaction is not complete.
func (b *batch) isFull() bool { return len(b.changes) >= batchChanges || b.bytes >= batchBytes }

// takeComplete takes the complete transactions out, and returns where they end;
// 0 if none was completed.
func (b *batch) takeComplete() (changes []*wal.Change, end wal.LSN) {
	if !b.isClosed {
		return nil, 0
	}
	changes = b.changes[:b.complete:b.complete]
	b.changes = b.changes[b.complete:]
	b.complete, b.isClosed = 0, false
	if len(b.changes) == 0 {
		b.changes, b.bytes = nil, 0 // the log may keep the array
	}
	return changes, b.upTo
}

// takeRest takes out the beginning of the transaction that is being read.
func (b *batch) takeRest() []*wal.Change {
	changes := b.changes
	b.changes, b.bytes, b.complete = nil, 0, 0
	return changes
}
