package policy

import (
	"slices"

	"walcast/replication/wal"
)

// force says since when access to a relation for a role is known to be as it is: its
// facts must not judge rows that are older than a change of access. All of its spans
// must cover a row. The zero force holds for all rows.
type force []span

// span says since when one or several objects that access depends on are known to be as
// they are.
//
// What counts is what transactions see of each other, so it is transactions that are
// compared: one that a snapshot with the change does not see has ended after it.
type span struct {
	at      snapshot // has the change
	order   order
	newest  uint32 // the last transaction that may have begun before the change; 0 if unordered
	settled uint32 // for byAnnouncement: no earlier change is as young as this transaction
}

// order says how transactions that the snapshot of a span sees are told apart, if they
// may have ended before the change or after it.
type order string

const (
	unordered order = ""
	// byRelation is for the row's own table, changed between two looks by a transaction
	// that had not begun at the first. Postgres announces the table again with its first
	// row after the change; a row with an older Relation ended before it, even if its
	// transaction began later.
	byRelation order = "relation"
	// byAnnouncement is for what leaves no trace, such as a dropped policy: any
	// announcement after the first look is that of the change if the table had a row, and
	// so none was due, since the change before this one.
	byAnnouncement order = "announcement"
	// byTransaction is for a table that was made between the looks: a row of a later
	// transaction is taken to be from after the change.
	byTransaction order = "transaction"
	// byCreation is for a table that has not changed since the transaction that made it:
	// there is nothing before that but what the transaction wrote itself.
	byCreation order = "creation"
	// byStream is for what has not changed since the first look: it is taken to be older
	// than all rows of a stream whose first transaction is later than the change.
	byStream order = "stream"
)

// isAnnounced reports whether the order of a span holds for rows of the table alone that
// has changed.
func (s *span) isAnnounced() bool { return s.order != byCreation && s.order != byStream }

// covers reports whether a change was committed after the span had begun. A change of
// the same transaction was not: those from before the change of access have the same
// id as those from after it.
func (s *span) covers(c *wal.Change) bool {
	if !s.at.sees(c.XID) {
		return true
	}
	later := func(xid uint32) bool { return int32(xid-s.newest) > 0 }
	a := c.Relation.Announced
	switch s.order {
	case byRelation:
		return later(c.XID) && a.Last != 0 && later(a.XID)
	case byAnnouncement:
		inside := c.XID == a.XID && a.Last == a.XID // the row's transaction itself has made the change
		return later(c.XID) && a.Last != 0 && later(a.XID) && int32(a.Last-s.settled) >= 0 && !inside
	case byTransaction:
		return later(c.XID) && (a.Last == 0 || later(a.XID))
	case byCreation:
		return c.XID != s.newest
	case byStream:
		return c.XID != s.newest && a.First != 0 && later(a.First)
	}
	return false
}

func (s *span) equal(o *span) bool {
	return s.at.equal(&o.at) && s.order == o.order && s.newest == o.newest && s.settled == o.settled
}

// holds reports whether there is no change that the span covers and o does not.
func (s *span) holds(o *span) bool { return s.equal(o) || s.order == unordered && s.at.hasAll(&o.at) }

// mostSpans is how many spans a force has before they become one, which covers less.
const mostSpans = 8

// and adds a span that must cover a row too.
func (f *force) and(s span) {
	if slices.ContainsFunc(*f, func(o span) bool { return o.holds(&s) }) {
		return
	}
	all := append(slices.DeleteFunc(*f, func(o span) bool { return s.holds(&o) }), s)
	if len(all) > mostSpans {
		last := slices.MaxFunc(all, func(a, b span) int { return int(int32(a.at.next - b.at.next)) })
		all = append(all[:0], span{at: last.at})
	}
	*f = all
}

func (f force) equal(o force) bool {
	return slices.EqualFunc(f, o, func(a, b span) bool { return a.equal(&b) })
}

// covers reports whether access is known to have been the same when a change was
// committed. Changes without a transaction are not of the WAL.
func (f force) covers(c *wal.Change) bool {
	if c.XID == 0 {
		return true
	}
	for i := range f {
		if !f[i].covers(c) {
			return false
		}
	}
	return true
}

// Judges reports whether the view, and the rules of its verdict, are known to have
// held when the change was committed. If not, access to the table may have changed
// since, and channels that would get the change have to read the table again. Judges
// takes a few comparisons and no lock.
func (v *View) Judges(c *wal.Change) bool {
	return c.Position.LSN >= v.unexplained && v.force.covers(c)
}
