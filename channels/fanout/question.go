package fanout

import (
	"sync/atomic"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// question is what Postgres is asked about one change for one subject: whether
// the row may be seen or, once it may, whether a filter holds. Matches share a
// question as long as it is not being asked.
type question struct {
	group    *group
	change   *wal.Change
	view     *policy.View
	interest atomic.Int32 // how many matches wait for the answer
	bindings []*binding   // of these matches
	then     []*question  // questions about filters, to be asked once the row may be seen

	// The answer, valid once done is set.
	done    atomic.Bool
	yes     bool
	raised  error
	rules   relevance // of the view, when the answer was there
	isStale bool      // for a view: the answer may be of a later moment than the change
}

// groupKey is what questions have in common that are asked together: a subject,
// a table and, for questions about a filter, its text.
type groupKey struct {
	subject  *policy.Subject
	relation *wal.Relation
	filter   string
}

// group is the questions with one key, and what they have cost.
type group struct {
	groupKey
	conditions filters.Filter
	questions  []*question
	byChange   map[*wal.Change]*question // the same questions
	asking     bool
	budget     budget
}

// isAboutRows reports whether the questions are whether rows may be seen, and
// not whether a filter holds.
func (g *group) isAboutRows() bool { return g.filter == "" }

// take takes out as many questions as are asked at once, and drops those for
// which no match waits any more.
func (g *group) take() (taken []*question) {
	n := 0
	for ; n < len(g.questions) && len(taken) < g.budget.size(); n++ {
		q := g.questions[n]
		if delete(g.byChange, q.change); q.interest.Load() > 0 {
			taken = append(taken, q)
		}
	}
	clear(g.questions[:n])
	if g.questions = g.questions[n:]; len(g.questions) == 0 {
		g.questions = nil
	}
	return taken
}

// empty takes out all questions.
func (g *group) empty() []*question {
	questions := g.questions
	g.questions = nil
	clear(g.byChange)
	return questions
}
