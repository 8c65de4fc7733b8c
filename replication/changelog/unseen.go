package changelog

import "walcast/replication/wal"

// Unseen is the standing from which on a consumer has to read what a snapshot of
// Postgres does not see: behind it are all changes of this history whose
// transactions are not seen, and some that are. A transaction can be in the log
// before a snapshot sees it. The snapshot must have been taken after the log stood
// at since. Changes that have left the log since then may be among those, which is
// a *ResyncError.
func (l *Log) Unseen(since Standing, s wal.Snapshot) (Standing, error) {
	head, pieces, err := l.mayBeUnseen(since, s)
	if err != nil {
		return Standing{}, err
	}
	for _, changes := range pieces { // without the lock: what is in a chunk stays as it is
		for _, c := range changes {
			if !s.Sees(c.XID) {
				return l.before(Standing{head.History, wal.Before(c.Position.LSN)})
			}
		}
	}
	return l.before(head)
}

// mayBeUnseen returns where the log ends, and the changes of the chunks that may have
// one that is not seen.
func (l *Log) mayBeUnseen(since Standing, s wal.Snapshot) (head Standing, pieces [][]*wal.Change, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	head = Standing{l.epoch.history, l.chunks.head}
	switch {
	case since.History != head.History:
		return head, nil, l.resync(l.epoch.reason, since.Position)
	case since.Position.Compare(l.chunks.lost) < 0:
		return head, nil, l.resync(CodeTooOld, since.Position)
	}
	if !l.chunks.gone.areSeen(s) {
		return head, nil, l.resync(CodeTooOld, since.Position)
	}
	for _, c := range l.chunks.list {
		if len(c.changes) > 0 && !s.SeesAll(c.least, c.most) {
			pieces = append(pieces, c.changes[:len(c.changes):len(c.changes)])
		}
	}
	return head, pieces, nil
}

// gone is the ids of the transactions that have left the log last. One of them may have
// been committed long ago and not be seen yet, as it waits for a standby. Of those that left
// earlier nothing is remembered.
type gone []uint32

// goneMost is how many are remembered.
const goneMost = 4096

// add notes the transactions of changes that leave.
func (g *gone) add(changes []*wal.Change) {
	for i, c := range changes {
		if i == 0 || changes[i-1].XID != c.XID {
			*g = append(*g, c.XID)
		}
	}
	if n := len(*g); n > 2*goneMost {
		*g = append((*g)[:0], (*g)[n-goneMost:]...)
	}
}

// areSeen reports whether a snapshot sees all of them.
func (g gone) areSeen(s wal.Snapshot) bool {
	for _, xid := range g {
		if !s.Sees(xid) {
			return false
		}
	}
	return true
}

// before is a standing of this history if the log still has all that comes after
// it. Part of a transaction that is not seen may have left.
func (l *Log) before(at Standing) (Standing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case at.History != l.epoch.history:
		return Standing{}, l.resync(l.epoch.reason, at.Position)
	case at.Position.Compare(l.chunks.lost) < 0:
		return Standing{}, l.resync(CodeTooOld, at.Position)
	}
	return at, nil
}

// Disagrees reports whether the log has a change after a position and before an LSN
// that a snapshot sees: who has the rows of the snapshot would get it again.
func (l *Log) Disagrees(after wal.Position, before wal.LSN, s wal.Snapshot) bool {
	for _, changes := range l.between(after, before) {
		for _, c := range changes {
			if c.Position.Compare(after) > 0 && c.Position.LSN < before && s.Sees(c.XID) {
				return true
			}
		}
	}
	return false
}

// Since returns the changes after a position and before an LSN that are of one of the
// relations, by OID. It is not ok if some have left the log, or may still come.
func (l *Log) Since(after wal.Position, before wal.LSN, relations map[uint32]bool) (found []*wal.Change, ok bool) {
	if l.End().Position.Compare(wal.Before(before)) < 0 || after.Compare(l.Oldest()) < 0 {
		return nil, false
	}
	for _, changes := range l.between(after, before) {
		for _, c := range changes {
			if c.Relation != nil && relations[c.Relation.OID] && c.Position.Compare(after) > 0 && c.Position.LSN < before {
				found = append(found, c)
			}
		}
	}
	return found, true
}

// between is the changes of the chunks that may have some between two places.
func (l *Log) between(after wal.Position, before wal.LSN) (pieces [][]*wal.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.chunks.list {
		if n := len(c.changes); n > 0 && c.newest().Compare(after) > 0 && c.changes[0].Position.LSN < before {
			pieces = append(pieces, c.changes[:n:n])
		}
	}
	return pieces
}
