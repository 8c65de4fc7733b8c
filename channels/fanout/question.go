package fanout

import (
	"sync/atomic"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// question is what Postgres is to say of one change for one subject: whether it
// may be seen, or, once that is known, whether a filter holds. Equal questions
// that are not on their way yet are one.
type question struct {
	docket   *docket
	change   *wal.Change
	view     *policy.View
	interest atomic.Int32 // matches that wait for the answer
	bindings []*binding   // that want it
	then     []*question  // filters to ask about once it may be seen

	// The answer, which is there once done is set.
	done     atomic.Bool
	yes      bool
	raised   error
	outdated bool    // it went by other rules than the question
	since    wal.LSN // which began there
}

// docketKey is what questions have in common that are asked together: a subject,
// a table and, for questions about a filter, its text.
type docketKey struct {
	subject  *policy.Subject
	relation *wal.Relation
	filter   string
}

// docket is the questions of one key, and what they have cost.
type docket struct {
	docketKey
	conditions filters.Filter
	questions  []*question
	byChange   map[*wal.Change]*question // of questions
	asking     bool
	budget     budget
}

// about is whether it is who may see rows that is asked, not a filter.
func (d *docket) isAboutRows() bool { return d.filter == "" }

// take takes as many questions as are asked at once, and forgets those that
// nobody waits for any more.
func (d *docket) take() (taken []*question) {
	n := 0
	for ; n < len(d.questions) && len(taken) < d.budget.size(); n++ {
		q := d.questions[n]
		if delete(d.byChange, q.change); q.interest.Load() > 0 {
			taken = append(taken, q)
		}
	}
	clear(d.questions[:n])
	if d.questions = d.questions[n:]; len(d.questions) == 0 {
		d.questions = nil
	}
	return taken
}

// empty takes all questions.
func (d *docket) empty() []*question {
	questions := d.questions
	d.questions = nil
	clear(d.byChange)
	return questions
}

// budget is how much of Postgres' time questions may take: those of a docket, or
// those of a session.
type budget struct {
	at    int       // how many rows were asked about at once
	late  int       // rows in a row that took too long by themselves
	began time.Time // the minute that spent is of
	spent time.Duration
	used  time.Time
	off   time.Time // nothing is asked until then
}

const (
	budgetTime = 10 * time.Second // in a minute, of rows that are dear
	budgetLate = 3
	// quickly and quicklyEach are how long a round and each row of it may take,
	// beyond what any round takes, without its dockets being asked alone, and few
	// rows at a time, from then on.
	quickly     = 100 * time.Millisecond
	quicklyEach = 200 * time.Microsecond
	// dearly is from when on a row costs something: a busy table is no offence.
	dearly = 50 * time.Millisecond
	// together is how many rows are asked about at once when all goes well. Those
	// of whom nothing is known begin with one.
	together = 256
)

func (b *budget) size() int { return max(b.at, 1) }

// isQuick reports whether it is known to be quick.
func (b *budget) isQuick() bool { return b.at > 1 }

// isQuickFor reports whether a round about some rows was quick.
func isQuickFor(took time.Duration, rows int) bool {
	return took < quickly+time.Duration(rows)*quicklyEach
}

// spend accounts for a round about some rows. It reports whether that was too
// much.
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

// end takes what became of a row; late says that it took too long. It reports
// whether that happened too often.
func (b *budget) end(late bool) bool {
	if !late {
		b.late = 0
		return false
	}
	b.late++
	return b.late >= budgetLate
}
