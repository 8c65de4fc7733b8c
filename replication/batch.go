package replication

import (
	"walcast/replication/wal"
)

// batchChanges and batchBytes bound what is kept back from the log while more
// is at hand: enough to take the log's lock seldom, little enough that
// consumers start on a large transaction while it is still being read.
const (
	batchChanges = 512
	batchBytes   = 256 << 10
)

// batch collects changes on their way to the log.
type batch struct {
	changes []*wal.Change
	bytes   int
	whole   int     // changes[:whole] are of complete transactions
	end     wal.LSN // where the last complete transaction ends; 0 if none did
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
	b.whole = len(b.changes)
	b.end = max(b.end, end)
}

// full reports that the changes should be passed on although their
// transaction is not complete.
func (b *batch) full() bool { return len(b.changes) >= batchChanges || b.bytes >= batchBytes }

// takeWhole takes the complete transactions out.
func (b *batch) takeWhole() (changes []*wal.Change, end wal.LSN) {
	changes, end = b.changes[:b.whole:b.whole], b.end
	b.changes = b.changes[b.whole:]
	b.whole, b.end = 0, 0
	if len(b.changes) == 0 {
		b.changes, b.bytes = nil, 0 // the log may keep the array
	}
	return changes, end
}

// takeRest takes out the beginning of the transaction that is being read.
func (b *batch) takeRest() []*wal.Change {
	changes := b.changes
	b.changes, b.bytes, b.whole = nil, 0, 0
	return changes
}
