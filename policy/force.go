package policy

import (
	"time"

	"walcast/replication/wal"
)

// force says since when the facts of a relation for a role are known to hold. They
// must not judge rows that are older than a change of access.
type force struct {
	all    moment        // of all facts
	others moment        // of all facts but the relation's own catalog rows, whose changes Relation messages announce
	read   time.Time     // when the catalog was read, by Postgres' clock
	grace  time.Duration // Config.AccessAge if this was the first reading for the Relation, else 0
}

// moment is the time since which something is known to hold.
type moment struct {
	at time.Time // by Postgres' clock
	// coversSlots means that it holds for all rows in the WAL that logical slots have
	// still to read. The catalog rows that it depends on were written by transactions
	// that had ended at the oldest catalog snapshot that a slot keeps, which is before
	// transaction held; see sight.held.
	coversSlots bool
	held        uint32
}

// covers reports whether it is known to have held when the change was committed.
func (m moment) covers(c *wal.Change) bool {
	return !c.CommitTime.Before(m.at) || m.coversSlots && int32(c.XID-m.held) >= 0
}

// Judges reports whether the view, and the rules of its verdict, are known to have
// held when the change was committed. If not, access to the table may have changed
// since, and channels that would get the change have to read the table again. Judges
// takes a few comparisons and no lock.
//
// When the table's own columns, grants, row-level security or policies change, a
// Relation message precedes the next row. So a row of the newest Relation comes after
// the last such change in the WAL, but there may be a later one behind the row that
// the view already knows. This is ruled out if the view was first read for that
// Relation within Config.AccessAge of the row's commit.
func (v *View) Judges(c *wal.Change) bool {
	f := &v.force
	return f.all.covers(c) || v.newest && f.read.Sub(c.CommitTime) <= f.grace && f.others.covers(c)
}

// memory is what was last read of a table for a role, for this or an earlier
// Relation.
type memory struct {
	prints prints
	force  force
}

// newForce compares what the catalog says with what it said when it was last read,
// for this or an earlier Relation. before is nil if it was never read.
func newForce(own uint32, f *facts, before *memory) force {
	now := moment{at: f.sight.at}
	known := force{read: f.sight.at, all: now, others: now}
	if before == nil {
		known.all = f.sight.moment(f.depends.all())
		known.others = f.sight.moment(f.depends.but(own))
		return known
	}
	same, othersSame := true, true
	var added []dependency
	for _, d := range f.depends.all() {
		print, had := before.prints[d]
		switch {
		case !had:
			added = append(added, d)
		case print != f.sight.prints[d] && d == dependency{DependRelation, own}:
			same = false
		case print != f.sight.prints[d]:
			same, othersSame = false, false
		}
	}
	if same && len(added) == 0 {
		known.all, known.others = before.force.all, before.force.others
		return known
	}
	if othersSame {
		known.others = before.force.others
		if m := f.sight.moment(added); len(added) > 0 && !m.coversSlots {
			known.others = now
		}
	}
	return known
}

// sight is the fingerprints that were found when the catalog was read or looked at.
type sight struct {
	prints prints
	ages   map[dependency]int32 // the age of the newest catalog row, in transactions

	at       time.Time // Postgres' clock after the snapshot was taken
	snapshot wal.Snapshot
	flushed  wal.LSN // up to where Postgres had flushed its WAL, just after
	// held is the oldest catalog_xmin of the database's logical slots: all
	// transactions before it had ended at a position that the slots have passed.
	// heldAge is its age in transactions, 0 without a slot.
	held    uint32
	heldAge int32
}

// moment returns since when dependencies are known to be as they are, if nothing was
// known of them before.
func (s *sight) moment(of []dependency) moment {
	m := moment{at: s.at, coversSlots: s.heldAge > 0, held: s.held}
	for _, d := range of {
		age, known := s.ages[d]
		m.coversSlots = m.coversSlots && (!known || age > s.heldAge)
	}
	return m
}
