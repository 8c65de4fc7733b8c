package policy

import (
	"slices"
	"strings"
	"time"

	"walcast/replication/wal"
)

// force says since when access to a relation for a role is known to be as it is: its
// facts must not judge rows that are older than a change of access. The zero force has
// no bounds: each of its parts holds for all rows.
type force struct {
	held    heldSpan // of what is older than all that slots have still to read
	traced  span     // of what has left a trace in the catalog
	dropped span     // of policies that were dropped, which leave none
	// known is when the newest Relation was announced that was known before. A row of a
	// later one is from after it, as a Relation message comes before the next row.
	known wal.LSN
}

// heldSpan bounds what was written by transactions that had ended before another, which
// is not later than any in the WAL that slots have still to read.
type heldSpan struct {
	before uint32
	read   time.Time // when that was so; zero if it bounds nothing
}

func (h heldSpan) covers(c *wal.Change) bool {
	return !c.CommitTime.Before(h.read) || int32(c.XID-h.before) >= 0
}

// span is when something was committed, by Postgres' clock: between after and at.
type span struct {
	after, at time.Time
	newest    uint32 // the last transaction that has had a part in it
}

// covers reports whether a change was committed later.
//
// In the span itself only the order of transactions can tell: a row of a later one is
// taken to be from after the change of access. It is not if the transaction that
// changed access had begun to write before that of the row, and changed access and
// committed after it. Rows of the same transaction are not covered, as those from
// before the change have the same id.
func (s span) covers(c *wal.Change) bool { return !c.CommitTime.Before(s.at) || s.within(c) }

func (s span) within(c *wal.Change) bool {
	return c.CommitTime.After(s.after) && int32(c.XID-s.newest) > 0
}

// and widens a span by another one.
func (s *span) and(o span) {
	if s.at.IsZero() || int32(o.newest-s.newest) > 0 {
		s.newest = o.newest
	}
	if o.at.After(s.at) {
		s.at = o.at
	}
	if o.after.After(s.after) {
		s.after = o.after
	}
}

// covers reports whether access is known to have been the same when a change was
// committed.
func (f *force) covers(c *wal.Change) bool {
	return f.held.covers(c) && f.traced.covers(c) &&
		(!c.CommitTime.Before(f.dropped.at) || f.dropped.within(c) && c.Relation.Announced > f.known)
}

// since bounds a force by what is known since a time only.
func (f *force) since(at time.Time) { f.traced.and(span{at, at, f.traced.newest}) }

// Judges reports whether the view, and the rules of its verdict, are known to have
// held when the change was committed. If not, access to the table may have changed
// since, and channels that would get the change have to read the table again. Judges
// takes a few comparisons and no lock.
func (v *View) Judges(c *wal.Change) bool { return v.force.covers(c) }

// reading is what was read of the catalog for a force.
type reading struct {
	*sight
	own    dependency   // access to the table itself
	access []dependency // what decides who has access
	past   *past
	margin time.Duration
}

// newForce compares what the catalog says with what it said when it was last read,
// for this or an earlier Relation. before is nil if it was never read.
//
// That it says the same means that nothing has changed between, however long that
// was: the fingerprints are of catalog rows, and a row that was changed and changed
// back is another one. Grants and the switches of row-level security are compared by
// what they say while walcast looks at them all the time, so that of them an absence
// shorter than the time between two looks goes unnoticed.
func newForce(r *reading, before *memory) (f force) {
	switch {
	case before == nil:
		for _, d := range r.access {
			r.learn(&f, d)
		}
		return f
	case before.isRestored():
		if f = before.force; before.sum != r.sum() {
			f.since(r.at)
		}
		return f
	}
	f = before.force
	for _, d := range r.access {
		was, had := before.access[d]
		_, dated := r.ages[d]
		switch now := r.of(d); {
		case had && was.print == now.print:
		case dated && !had && d.kind != dependRole, dated && had && int32(now.xid-before.next) >= 0 && now.keeps(was):
			r.learn(&f, d)
		case d == r.own && !now.keeps(was) && before.announced != 0:
			after, next := r.past.latest(r.at)
			f.dropped.and(span{after, r.at, next - 1})
			f.known = before.announced
			if int32(now.xid-before.next) >= 0 {
				r.learn(&f, d)
			}
		default:
			f.since(r.at)
		}
	}
	return f
}

// learn bounds a force by the time from which on an object is known to be as it is,
// if its catalog rows themselves tell: what was deleted from the catalog leaves
// nothing there.
func (r *reading) learn(f *force, d dependency) {
	age, known := r.ages[d]
	switch {
	case !known:
		return
	case r.heldAge > 0 && age > r.heldAge:
		if f.held.read.IsZero() || int32(r.held-f.held.before) > 0 {
			f.held.before = r.held
		}
		f.held.read = r.at
		return
	}
	xid := r.latest - uint32(age)
	after, at := r.past.since(xid, r.margin)
	if after.IsZero() {
		after = r.at.Add(-r.margin)
	}
	if at.IsZero() || at.After(r.at) {
		at = r.at
	}
	f.traced.and(span{after, at, xid})
}

// found is what a sight has of an object that access depends on.
type found struct {
	print    int64
	xid      uint32 // the transaction that wrote the newest of its catalog rows
	policies string // of a relation: the OIDs of its policies, in order
}

func (r *reading) of(d dependency) found {
	_, policies, _ := strings.Cut(r.more[d], ";")
	return found{print: r.prints.of(d), xid: r.latest - uint32(r.ages[d]), policies: policies}
}

// keeps reports whether no policy has gone.
func (f found) keeps(was found) bool {
	if was.policies == "" || f.policies == was.policies {
		return true
	}
	left := strings.Split(f.policies, ",")
	for oid := range strings.SplitSeq(was.policies, ",") {
		if !slices.Contains(left, oid) {
			return false
		}
	}
	return true
}
