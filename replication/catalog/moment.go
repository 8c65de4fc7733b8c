package catalog

import "walcast/replication/wal"

// Moment is what Postgres says at one time of its transactions and of its WAL.
type Moment struct {
	Snapshot string  // a pg_snapshot
	End      wal.LSN // whatever the snapshot sees was committed before

	seen wal.Snapshot // those that had ended
	next uint64       // the id that the next transaction will have
}

// newMoment reads a pg_snapshot. next is the lower half of the id that is given out
// next. A standby does not list which transactions are under way: there nothing counts
// as ended but what all others are younger than.
func newMoment(snapshot string, next uint32, isStandby bool) (Moment, error) {
	seen, err := wal.ParseSnapshot(snapshot)
	if err != nil {
		return Moment{}, err
	}
	m := Moment{Snapshot: snapshot, seen: seen, next: max(seen.Full(next), seen.Next)}
	if isStandby {
		m.seen = wal.Snapshot{Least: seen.Least, Next: seen.Least}
		m.Snapshot = m.seen.String()
	}
	return m, nil
}

// HasBegun reports whether an id had been given out: the next 2^31 ids have not
// been. Those before the first id of all, and those that are no transaction's,
// never are.
func (m *Moment) HasBegun(xid uint32) bool {
	const first = 3 // FirstNormalTransactionId
	full := wal.FullXID(xid, m.next)
	return xid >= first && full < m.next && full >= first
}

// HasEnded reports whether a top-level transaction had been committed or rolled
// back, and was seen to be.
func (m *Moment) HasEnded(xid uint32) bool { return m.HasBegun(xid) && m.seen.Sees(xid) }
