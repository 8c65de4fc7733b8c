package policy

import (
	"time"

	"walcast/replication/wal"
)

// force is since when what is known of a relation for a role is known to have
// been in force, and so which rows it may judge: not those that are older than a
// change of access.
type force struct {
	all    moment
	others moment        // all but the relation's own rows in the catalog, of which Relation messages tell
	read   time.Time     // when it was read, by Postgres' clock
	grace  time.Duration // Config.AccessAge when it was the first reading for the Relation
}

// moment is from when on something is known to have been in force.
type moment struct {
	at time.Time // by Postgres' clock
	// coversSlots says that it has been for all rows that logical slots still hold:
	// what it depends on was written by transactions that had ended when the oldest
	// of the slots began to keep the catalog, see sight.held. No row of a
	// transaction before that one is in the WAL that is still to be read.
	coversSlots bool
	held        uint32
}

// covers reports whether it was in force when the change was committed.
func (m moment) covers(c *wal.Change) bool {
	return !c.CommitTime.Before(m.at) || m.coversSlots && int32(c.XID-m.held) >= 0
}

// Judges reports whether the view, and the rules that its verdict goes by, are
// known to have been in force when the change was committed. If not, access to
// the table has changed since, as far as anybody knows, and who would get the
// change has to read the table again. It takes a few comparisons and no lock.
//
// A Relation message comes before the next row whenever the table's own columns,
// grants, row-level security or policies have changed. So a row of the newest
// Relation is behind these, unless another such change has come behind the row;
// one is taken to have not if the Relation was new when it was read, within
// Config.AccessAge of the commit.
func (v *View) Judges(c *wal.Change) bool {
	f := &v.force
	return f.all.covers(c) || v.newest && f.read.Sub(c.CommitTime) <= f.grace && f.others.covers(c)
}

// memory is what was last read of a table for a role, whatever its Relation was.
type memory struct {
	prints prints
	force  force
}

// newForce compares what the catalog says with what it said before, for the same
// Relation or an earlier one; nil if nothing was known.
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

// sight is what a look at the catalog, or reading it, has found.
type sight struct {
	prints prints
	ages   map[dependency]int32 // of the newest row in the catalog, in transactions

	at       time.Time // Postgres' clock, after the snapshot
	snapshot snapshot
	// held is the oldest transaction of which the database's logical slots keep
	// what the catalog was like; all before it had ended at a place in the WAL that
	// the slots have passed. heldAge is its age, 0 without a slot.
	held    uint32
	heldAge int32
}

// moment is from when on dependencies are known to be as they are when nothing
// was known of them before.
func (s *sight) moment(of []dependency) moment {
	m := moment{at: s.at, coversSlots: s.heldAge > 0, held: s.held}
	for _, d := range of {
		age, known := s.ages[d]
		m.coversSlots = m.coversSlots && (!known || age > s.heldAge)
	}
	return m
}
