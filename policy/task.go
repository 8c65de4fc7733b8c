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

// task is one statement, which asks about rows of one relation as one subject.
type task struct {
	group      *group
	statements *statements
	sql        string
	path       string // the search_path that it is parsed and run under
	wanted     func(field) bool
	by         string // "row" or "key": what the statement looks at

	rows     []wal.Row
	index    []int // by row: the index of its change in the inquiry
	literal  string
	lacks    string
	unparsed *AskError // why the statement does not parse
	asked    time.Time // when rows were first asked about too early
}

func (t *task) add(i int, row wal.Row) {
	t.rows = append(t.rows, row)
	t.index = append(t.index, i)
}

// part returns a task with some of the rows.
func (t *task) part(start, end int) *task {
	p := *t
	p.rows, p.index, p.literal = t.rows[start:end], t.index[start:end], ""
	return &p
}

// split divides a task into tasks within taskRows and taskBytes. There is none
// without rows.
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

// parser returns the role that the statement is parsed as; "" is our own user. A
// look-up by key is always parsed as the subject.
func (t *task) parser() string {
	if t.by == "key" {
		return t.group.inquiry.Subject.Role
	}
	return t.statements.parser
}

// losesNames reports whether the error may come from how we ask and not from the
// policies: the search_path may lack a schema that their functions need, or the
// subject a right that only their text needs (see names), as Postgres parses a
// statement again as the subject when it has dropped the plan.
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

// byKey returns tasks that look the same rows up by key. Postgres then applies the
// policies as it has stored them, under the search_path that functions expect. rest
// has the rows that cannot be looked up, such as deleted ones.
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

// halves splits a task in two, to find the row for which it raises.
func (t *task) halves() []*task {
	middle := len(t.rows) / 2
	return append(t.part(0, middle).split(), t.part(middle, len(t.rows)).split()...)
}

// see marks rows as visible, by their numbers from 1, except for those in but.
func (t *task) see(positions []int, but map[int]bool) {
	for _, n := range positions {
		if !but[n] {
			t.group.inquiry.Visible[t.index[n-1]] = true
		}
	}
}

// noteKeys notes that the rows were looked up by their key, if they were.
func (t *task) noteKeys() {
	if t.by != "key" {
		return
	}
	for _, i := range t.index {
		t.group.inquiry.ByKey[i] = true
	}
}

// raise answers all rows with an error, which hides them.
func (t *task) raise(err *AskError) {
	for _, i := range t.index {
		t.group.inquiry.Errs[i] = err
	}
}
