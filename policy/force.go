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
// compared and no clocks: what a snapshot with the change does not see comes after the
// change. What it sees may have come before or after, and is not judged: the order in
// which transactions get their ids is not that in which they end. It is taken for it
// where nothing else is known (last).
//
// Of the row's own table it can be known which came after: Postgres announces the table
// again with the first row after a change of it. A row with an older Relation ended before
// the change, even if its transaction began later.
type span struct {
	at wal.Snapshot // has the change
	// last is the last transaction that has left a trace of the change, if rows of later
	// ones count as from after it; 0 for others.
	last uint32
	// before limits last to tables that this transaction or a later one has made: to all
	// that was before the change nobody had access. 0 is for all tables.
	before uint32
	// newest is the last transaction that may have made the change, if the change was
	// announced and nothing else that is known of; 0 for others.
	newest uint32
}

// forTable is the span for rows of a table that a transaction has made, if it is known
// which.
func (s span) forTable(made uint32, known bool) span {
	if s.before != 0 && (!known || int32(made-s.before) < 0) {
		s.last = 0
	}
	s.before = 0
	return s
}

// covers reports whether a change of a row comes after the span has begun. Rows of the
// transaction that makes the change may be from before and after it: it has the id last,
// or a smaller one if it made the change in a subtransaction.
func (s *span) covers(c *wal.Change) bool {
	switch {
	case !s.at.Sees(c.XID):
		return true
	case s.last != 0 && int32(c.XID-s.last) > 0:
		return true
	case s.newest != 0:
		return s.isAnnounced(c)
	}
	return false
}

// isAnnounced reports whether the table was announced, after the change, with a change
// of a row or one before it. Postgres may announce it as soon as the change is made, with
// rows that it has still to send from before, so that ids have to be in order too.
func (s *span) isAnnounced(c *wal.Change) bool {
	a := c.Relation.Announced
	return a.Last != 0 && int32(c.XID-s.newest) > 0 && int32(a.XID-s.newest) > 0
}

func (s *span) equal(o *span) bool {
	return s.last == o.last && s.before == o.before && s.newest == o.newest && s.at.Equal(o.at)
}

// holds reports whether there is no change that the span covers and o does not.
func (s *span) holds(o *span) bool {
	return s.equal(o) || s.last == 0 && s.newest == 0 && s.at.HasAll(o.at)
}

// mostSpans is how many spans a force has before they become one, which covers less.
const mostSpans = 8

// and adds a span that must cover a row too.
func (f *force) and(s span) {
	if slices.ContainsFunc(*f, func(o span) bool { return o.holds(&s) }) {
		return
	}
	all := append(slices.DeleteFunc(*f, func(o span) bool { return s.holds(&o) }), s)
	if len(all) > mostSpans {
		all = append(all[:0], span{at: all.last()})
	}
	*f = all
}

// last is a snapshot that sees all that those of the spans see.
func (f force) last() (last wal.Snapshot) {
	for i := range f {
		last.Next = max(last.Next, f[i].at.Next)
	}
	last.Least = last.Next
	return last
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
