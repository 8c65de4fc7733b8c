package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"walcast/replication/wal"
)

// Moment is what Postgres says at one time of its transactions and of its WAL.
type Moment struct {
	Snapshot string  // a pg_snapshot
	End      wal.LSN // whatever the snapshot sees was committed before

	least, limit uint64   // all ids below the first have ended, and none from the second on
	next         uint64   // the id that the next transaction will have
	underWay     []uint64 // ids between that have not ended
}

// newMoment reads a pg_snapshot, xmin:xmax:xip,xip. next is the lower half of the
// id that is given out next. A standby does not list which transactions are under
// way: there nothing counts as ended but what all others are younger than.
func newMoment(snapshot string, next uint32, isStandby bool) (m Moment, err error) {
	parts := strings.Split(snapshot, ":")
	if len(parts) != 3 {
		return Moment{}, fmt.Errorf("%q is no pg_snapshot", snapshot)
	}
	number := func(text string) (n uint64) {
		n, bad := strconv.ParseUint(text, 10, 64)
		if bad != nil {
			err = fmt.Errorf("%q is no pg_snapshot", snapshot)
		}
		return n
	}
	m = Moment{Snapshot: snapshot, least: number(parts[0]), limit: number(parts[1])}
	if parts[2] != "" {
		for _, id := range strings.Split(parts[2], ",") {
			m.underWay = append(m.underWay, number(id))
		}
	}
	m.next = max(fullNear(next, m.limit), m.limit)
	if isStandby {
		m.limit, m.underWay = m.least, nil
		m.Snapshot = fmt.Sprintf("%d:%d:", m.least, m.least)
	}
	return m, err
}

// fullNear is the id of 64 bits that is nearest to another and has the lower half
// given. Ids that are compared are less than 2^31 apart.
func fullNear(low uint32, other uint64) uint64 {
	return other + uint64(int64(int32(low-uint32(other))))
}

// HasBegun reports whether an id had been given out: the next 2^31 ids have not
// been. Those before the first id of all, and those that are no transaction's,
// never are.
func (m *Moment) HasBegun(xid uint32) bool {
	const first = 3 // FirstNormalTransactionId
	full := fullNear(xid, m.next)
	return xid >= first && full < m.next && full >= first
}

// HasEnded reports whether a top-level transaction had been committed or rolled
// back, and was seen to be.
func (m *Moment) HasEnded(xid uint32) bool {
	full := fullNear(xid, m.next)
	return m.HasBegun(xid) && full < m.limit && !slices.Contains(m.underWay, full)
}
