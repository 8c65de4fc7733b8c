package policy

import (
	"time"

	"walcast/replication/wal"
)

const (
	// taskRows and taskBytes bound one statement.
	taskRows  = 1000
	taskBytes = 1 << 20
)

// task is one statement: rows of one relation, judged as one subject.
type task struct {
	group      *group
	statements *statements
	sql        string
	path       string // the search_path that it is parsed and run under
	wanted     func(field) bool
	by         string // what is looked at, for the metric

	rows    []wal.Row
	index   []int // of the inquiry's changes
	literal string
	lacks   string
	refusal *AskError // the statement did not parse
	asked   time.Time // when rows were first asked about too early
}

func (t *task) add(i int, row wal.Row) {
	t.rows = append(t.rows, row)
	t.index = append(t.index, i)
}

// part is a task with some of the rows.
func (t *task) part(start, end int) *task {
	p := *t
	p.rows, p.index, p.literal = t.rows[start:end], t.index[start:end], ""
	return &p
}

// split makes tasks of a size that Postgres is asked about at once, none of no
// rows.
func (t *task) split() (tasks []*task) {
	for start := 0; start < len(t.rows); {
		dst, lacks := []byte{'{'}, []byte{'{'}
		end := start
		for ; end < len(t.rows) && end-start < taskRows && len(dst) < taskBytes; end++ {
			if end > start {
				dst, lacks = append(dst, ','), append(lacks, ',')
			}
			dst = t.statements.appendRow(dst, t.rows[end], t.wanted)
			lacks = t.statements.appendLacks(lacks, t.rows[end])
		}
		p := t.part(start, end)
		p.literal, p.lacks = string(append(dst, '}')), string(append(lacks, '}'))
		tasks = append(tasks, p)
		start = end
	}
	return tasks
}

// parser is the role that the statement is parsed as; "" is our own. A look-up is
// parsed as the subject in any case, see facts.parser.
func (t *task) parser() string {
	if t.by == "key" {
		return t.group.inquiry.Subject.Role
	}
	return t.statements.parser
}

// losesNames reports whether the error may come of how we ask: of a path that has
// fewer schemas than functions of the policies count on, or of a right that only
// their text needs, see names. Postgres parses it again, as the subject, whenever
// it has forgotten a plan.
func (t *task) losesNames(err *AskError) bool {
	if t.by != "row" || t.statements.byKey == "" {
		return false
	}
	switch err.SQLState {
	case codeUndefinedTable, codeUndefinedFunction, codeUndefinedObject, codeInvalidSchema:
		return !t.statements.wholePath
	case codeInsufficientPrivilege:
		return true
	}
	return false
}

// byKey asks about the same rows by key, as Postgres has the policies itself, on
// the path that functions expect. rest is what cannot be found so, as a row that
// was deleted.
func (t *task) byKey() (found []*task, rest *task) {
	q, r := *t, *t
	q.sql, q.path, q.wanted, q.by = t.statements.byKey, t.statements.keyPath, published, "key"
	q.rows, q.index, r.rows, r.index = nil, nil, nil, nil
	for i, row := range t.rows {
		if t.statements.findable(row) && t.group.inquiry.Changes[t.index[i]].Operation != wal.Delete {
			q.add(t.index[i], row)
		} else {
			r.add(t.index[i], row)
		}
	}
	return q.split(), &r
}

// halves splits a task of which some row raises.
func (t *task) halves() []*task {
	middle := len(t.rows) / 2
	return append(t.part(0, middle).split(), t.part(middle, len(t.rows)).split()...)
}

// see takes the numbers of the visible rows, from 1, but for those left out.
func (t *task) see(positions []int, but map[int]bool) {
	for _, n := range positions {
		if !but[n] {
			t.group.inquiry.Visible[t.index[n-1]] = true
		}
	}
}

// raise hides all rows.
func (t *task) raise(err *AskError) {
	for _, i := range t.index {
		t.group.inquiry.Errs[i] = err
	}
}
