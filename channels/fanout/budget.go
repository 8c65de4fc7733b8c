package fanout

import "time"

// budget is how much of Postgres' time the questions of a group, or of a
// session, may take.
type budget struct {
	at    int       // how many rows were asked about at once
	late  int       // how many rows in succession took too long
	began time.Time // start of the minute that spent is counted in
	spent time.Duration
	used  time.Time // when something was asked last
	off   time.Time // nothing is asked until then
}

const (
	budgetTime = 10 * time.Second // in a minute, counting rows that cost more than dearly
	budgetLate = 3
	// quickly and quicklyEach are how long a round and each of its rows may
	// take, beyond what every round takes. Groups of a slower round are asked
	// alone and a few rows at a time from then on.
	quickly     = 100 * time.Millisecond
	quicklyEach = 200 * time.Microsecond
	// dearly is the time above which a row counts against the budget. A table
	// with many cheap rows never uses it up.
	dearly = 50 * time.Millisecond
	// together is how many rows are asked about at once when they are quick. A
	// new group begins with one.
	together = 256
)

func (b *budget) size() int { return max(b.at, 1) }

// isQuick reports whether rounds are known to be quick.
func (b *budget) isQuick() bool { return b.at > 1 }

// isQuickFor reports whether a round about a number of rows was quick.
func isQuickFor(took time.Duration, rows int) bool {
	return took < quickly+time.Duration(rows)*quicklyEach
}

// spend accounts for a round about a number of rows. It reports whether the
// budget is used up.
func (b *budget) spend(now time.Time, took time.Duration, rows int) bool {
	if now.Sub(b.began) >= time.Minute {
		b.began, b.spent = now, 0
	}
	b.used = now
	if took >= time.Duration(max(rows, 1))*dearly {
		b.spent += took
	}
	if b.at = min(4*b.size(), together); !isQuickFor(took, rows) {
		b.at = 1
	}
	return b.spent > budgetTime
}

// end notes how a row ended; late says that it took too long. It reports
// whether that happened too often.
func (b *budget) end(late bool) bool {
	if !late {
		b.late = 0
		return false
	}
	b.late++
	return b.late >= budgetLate
}
