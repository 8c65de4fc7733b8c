package access

import (
	"maps"
	"slices"
	"time"

	"walcast/replication/wal"
)

// What the docs allow: rules of tables without row-level security, and what
// hangs on them, may be this old. Types may be as old as the last look at them where
// Postgres took longer to answer it (see looks). The slack is for the judge's own
// patience with a busy machine. Both make the judge milder and never stricter. Rows
// under row-level security have neither.
const (
	accessAge = time.Second
	slack     = 500 * time.Millisecond
	lenience  = int64(accessAge + slack)
	// asking is how long Postgres may take to say who may see a row, policy-timeout.
	asking = int64(5*time.Second + slack)
)

// purpose is what a suspicion is about.
type purpose uint8

const (
	seenRow   purpose = iota // a version, or some of it, came: may it have been seen?
	seenOld                  // so did the old row of a change
	seenKey                  // only the key of an old row came: may its columns be selected?
	unseenIt                 // a version did not come: must it have been seen?
	undeleted                // a DELETE did not come, of a version that may have been seen
)

// suspicion is what Postgres is asked to judge, put together from a diary. It is
// about the eras from From (or Open, where rules may be older, or Early, where
// walcast may not have known better) up to and with Upto; after Life, the version
// was no longer there to be seen.
type suspicion struct {
	purpose  purpose
	client   *client
	entry    entry // the arrival, or what tells that the version was passed over
	subjects []int // as which the client may have acted
	row      *version
	columns  []string // that were shown, or are needed
	fate     fate
	excuses
	bounds
}

// bounds are those of the eras that a suspicion is about.
type bounds struct{ Early, Open, From, Life, Upto int }

// excuses are what the client was told that explains why a row did not come.
type excuses struct {
	told     bool // that a policy of the table raised
	unjudged bool // that nobody can judge its rows
}

// change is the position of what a suspicion is about.
func (s suspicion) change() wal.Position {
	if s.purpose == undeleted {
		return s.row.next.at
	}
	return s.row.at
}

// inquiry reads one client's diary.
type inquiry struct {
	client  *client
	truth   *truth
	history history
	looks   *looks
	faults  []Fault
	found   []suspicion
	givenUp int // changes that were asked for and that a resync gave up
}

func (q *inquiry) fault(kind string, e entry, text string) {
	q.faults = append(q.faults, Fault{Kind: kind, Client: q.client.name, Time: e.Time, Text: text})
}

// oldest is the earliest moment of which may be what walcast knew when a row was
// committed at another.
func (q *inquiry) oldest(commit int64) int64 {
	return min(commit-lenience, q.looks.known(commit)-int64(slack))
}

// stay is a time as one subject. Rows that were committed once it was replaced are
// not its any more.
type stay struct {
	subject               int
	from, replaced, until int64
}

// stays are the times at which the client acted as one subject. A token is
// replaced, once in a connection at most, between the moment at which the new one
// is sent and the answer to a request sent after it. What is being decided then is
// decided for the old token and may still come: until it is settled, and then for as
// long as asking.
func stays(diary []entry, l *looks) (all []stay) {
	const open = int64(1) << 62
	for _, e := range diary {
		switch e.Kind {
		case opened, refreshed:
			all = append(all, stay{e.Subject, e.Time, open, open})
		case answered:
			if n := len(all) - 2; n >= 0 && all[n].until == open {
				all[n].replaced, all[n].until = e.Time, max(e.Time, l.settled(e.Time))+asking
			}
		case closed:
			for i := range all {
				all[i].until = min(all[i].until, e.Time)
			}
		}
	}
	return all
}

// during are the subjects that may have decided about a row committed at a moment, by
// the stays that touch a stretch of time.
func during(all []stay, commit, from, until int64) []int {
	set := map[int]bool{}
	for _, s := range all {
		if s.from <= until && s.until >= from && s.replaced >= commit {
			set[s.subject] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}
