package policy

import (
	"context"
	"errors"
	"time"

	"walcast/replication/wal"
)

// asker asks Postgres which rows subjects may see.
type asker struct {
	pg     *postgres
	tables *tables
}

// Inquiry is the changes that are asked about for one subject, and the answers.
type Inquiry struct {
	Subject *Subject
	Changes []*wal.Change

	Visible []bool        // by index in Changes
	Errs    map[int]error // by index in Changes: the *AskError of a check that raised
	// ByKey has, by index in Changes, those that were looked up by their key: the answer
	// is of the version that was there then.
	ByKey map[int]bool
}

// Visible asks Postgres, as the subject, which of the changes it may see: one
// statement for all of a relation's rows. A change whose check raised is
// reported in errs at its index (*AskError) and is not visible. An error means
// that Postgres could not be asked.
//
// An INSERT or UPDATE is judged by the values of the new row, so that the answer does
// not depend on later changes. If the WAL lacks values that the policies read, the
// row is looked up by its key instead, and the answer counts only if the row is still
// the version of the change. If it is a later version the change is not visible, and
// counted in a metric; the change to that version follows. A DELETE is judged by the
// old row if the WAL has enough of it. If not it is visible, and only its key is
// shown, as by upstream.
//
// The WAL has a commit before Postgres shows it. Changes that are asked about too
// early are asked about again, for at most Config.Timeout; after that they are errors.
func (a *asker) Visible(ctx context.Context, s *Subject, changes []*wal.Change) (visible []bool, errs map[int]error, err error) {
	q := &Inquiry{Subject: s, Changes: changes}
	if _, err := a.VisibleAll(ctx, []*Inquiry{q}); err != nil {
		return nil, nil, err
	}
	return q.Visible, q.Errs, nil
}

// VisibleAll is Visible for many subjects. Each has transactions of its own, but all
// are sent together, which takes a fifth of the time of asking one after the other.
// took is the time that Postgres took to answer, without waits for a connection or
// for a commit to be seen, which are nobody's fault.
func (a *asker) VisibleAll(ctx context.Context, inquiries []*Inquiry) (took time.Duration, err error) {
	var open []*group
	for _, q := range inquiries {
		q.Visible, q.Errs, q.ByKey = make([]bool, len(q.Changes)), map[int]error{}, map[int]bool{}
		open = append(open, q.groups()...)
	}
	for again := false; len(open) > 0; again = true {
		var tasks []*task
		for _, g := range open {
			t, err := a.judge(ctx, g)
			if err != nil {
				return took, err
			}
			tasks = append(tasks, t...)
		}
		refused, err := a.ask(ctx, tasks, &took)
		if err != nil {
			return took, err
		}
		if open = reopen(refused, again); again {
			return took, a.askByKey(ctx, refused, &took)
		}
	}
	return took, nil
}

// reopen returns the groups of tasks whose statement did not parse, to be judged once
// more: the table may have changed since the catalog was read.
func reopen(refused []*task, again bool) (groups []*group) {
	for _, t := range refused {
		if !again && !t.group.again {
			t.group.again = true
			t.group.access.expire()
			groups = append(groups, t.group)
		}
	}
	return groups
}

// askByKey looks up by key the rows of tasks whose statement does not parse.
func (a *asker) askByKey(ctx context.Context, refused []*task, took *time.Duration) error {
	var tasks []*task
	for _, t := range refused {
		if t.by == "row" && t.statements.byKey != "" {
			found, rest := t.byKey()
			tasks = append(tasks, found...)
			rest.raise(t.unparsed)
		} else {
			t.raise(t.unparsed)
		}
	}
	refused, err := a.ask(ctx, tasks, took)
	for _, t := range refused {
		t.raise(t.unparsed)
	}
	return err
}

// group is adjacent changes of an inquiry that are of one relation.
type group struct {
	inquiry *Inquiry
	first   int // index of its first change
	changes []*wal.Change
	access  *access
	again   bool // the group is judged for the second time
}

// groups divides the changes into groups.
func (q *Inquiry) groups() (groups []*group) {
	for start := 0; start < len(q.Changes); {
		end := start + 1
		for end < len(q.Changes) && q.Changes[end].Relation == q.Changes[start].Relation {
			end++
		}
		groups = append(groups, &group{inquiry: q, first: start, changes: q.Changes[start:end]})
		start = end
	}
	return groups
}

// judge answers for the changes that need no asking, and returns tasks for the rest.
func (a *asker) judge(ctx context.Context, g *group) ([]*task, error) {
	rel, s := g.changes[0].Relation, g.inquiry.Subject
	_, err := a.tables.View(ctx, rel, s)
	var unreadable *AskError
	switch {
	case errors.Is(err, ErrUnknownRole):
		return nil, nil
	case errors.As(err, &unreadable):
		for i := range g.changes {
			g.inquiry.Errs[g.first+i] = unreadable
		}
		return nil, nil
	case err != nil:
		return nil, err
	}
	g.access = a.tables.of(rel, s.Role)
	switch r := g.access.current(); r.kind {
	case openToAll:
		for i := range g.changes {
			g.inquiry.Visible[g.first+i] = true
		}
	case forbidden:
		for i := range g.changes {
			g.inquiry.Errs[g.first+i] = &AskError{
				Table: rel.Schema + "." + rel.Table, SQLState: codeInsufficientPrivilege,
				Message: "permission denied for schema " + rel.Schema,
			}
		}
	case byPolicies:
		tasks, unjudged := g.judgeRows(r, s.guard.bound(rel, r))
		if unjudged > 0 {
			a.pg.noteUnjudged(r.statements.unjudged(), unjudged)
		}
		return tasks, nil
	}
	return nil, nil
}

// judgeRows answers for the changes that compiled policies decide, and returns tasks
// for the others. unjudged are those that nobody can answer for.
func (g *group) judgeRows(r *rules, b *bond) (tasks []*task, unjudged int) {
	byRow := &task{group: g, statements: r.statements, sql: r.statements.byRow, path: r.statements.rowPath, wanted: needed, by: "row"}
	byKey := &task{group: g, statements: r.statements, sql: r.statements.byKey, path: r.statements.keyPath, wanted: published, by: "key"}
	for i, c := range g.changes {
		row := c.New
		if c.Operation == wal.Delete {
			row = c.Old
		}
		seen, sure := b.holds(c.Operation, row)
		switch {
		case c.Operation == wal.Truncate: // a TRUNCATE has no row
			g.inquiry.Visible[g.first+i] = true
		case sure:
			g.inquiry.Visible[g.first+i] = seen
		case r.statements.complete(row):
			byRow.add(g.first+i, row)
		case c.Operation == wal.Delete:
			g.inquiry.Visible[g.first+i] = true
		case r.statements.findable(row):
			byKey.add(g.first+i, row)
		default:
			g.inquiry.Errs[g.first+i] = r.statements.unjudged()
			unjudged++
		}
	}
	return append(byRow.split(), byKey.split()...), unjudged
}
