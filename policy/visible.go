package policy

import (
	"context"
	"errors"

	"walcast/replication"
)

// Visible asks Postgres, as the subject, which of the changes it may see: one
// statement for the whole batch of a relation. A change whose check raised is
// reported in errs at its index (*AskError) and is not visible. An error means
// that Postgres could not be asked.
//
// An INSERT or UPDATE is judged by the values of the new row, so that the
// answer does not depend on what has happened since; where the WAL has not all
// of them that the policies read, the row is looked up by its key instead. A
// DELETE is judged by the old row if that is complete enough, and is visible
// otherwise: then only its key is shown, as by the reference.
func (p *Policy) Visible(ctx context.Context, s *Subject, changes []*replication.Change) (visible []bool, errs map[int]error, err error) {
	v := &verdicts{visible: make([]bool, len(changes)), errs: map[int]error{}}
	for start := 0; start < len(changes); {
		end := start + 1
		for end < len(changes) && changes[end].Relation == changes[start].Relation {
			end++
		}
		if err := p.judge(ctx, s, changes[start:end], v.from(start)); err != nil {
			return nil, nil, err
		}
		start = end
	}
	return v.visible, v.errs, nil
}

// verdicts are the answers for a batch of changes.
type verdicts struct {
	visible []bool
	errs    map[int]error
	offset  int // of the first change within errs
}

// from is the part of the verdicts that begins at a change.
func (v *verdicts) from(i int) *verdicts {
	return &verdicts{visible: v.visible[i:], errs: v.errs, offset: v.offset + i}
}

func (v *verdicts) raise(i int, err error) { v.errs[v.offset+i] = err }

// judge decides about changes of one relation. Should the statement not even
// parse, the table has changed since the catalog was read: then it is read
// once more.
func (p *Policy) judge(ctx context.Context, s *Subject, changes []*replication.Change, v *verdicts) error {
	rel := changes[0].Relation
	for again := false; ; again = true {
		_, err := p.View(ctx, rel, s)
		if errors.Is(err, ErrUnknownRole) {
			return nil
		}
		if err != nil {
			return err
		}
		a := p.tables.of(rel, s.Role)
		refused, err := p.judgeBy(ctx, a.current(), s, changes, v)
		if err != nil || refused == nil {
			return err
		}
		if again {
			for i := range changes {
				v.raise(i, refused)
			}
			return nil
		}
		a.expire()
	}
}

// judgeBy applies rules. refused is the answer to a statement that did not parse.
func (p *Policy) judgeBy(ctx context.Context, r *rules, s *Subject, changes []*replication.Change, v *verdicts) (refused *AskError, err error) {
	rel := changes[0].Relation
	switch r.kind {
	case openToAll:
		for i := range changes {
			v.visible[i] = true
		}
		return nil, nil
	case hidden:
		return nil, nil
	case forbidden:
		for i := range changes {
			v.raise(i, &AskError{
				Table: rel.Schema + "." + rel.Table, SQLState: codeInsufficientPrivilege,
				Message: "permission denied for schema " + rel.Schema,
			})
		}
		return nil, nil
	}
	b := s.guard.bound(rel, r)
	byRow := inquiry{policy: p, subject: s, question: r.question, sql: r.question.byRow, wanted: needed, by: "row"}
	byKey := inquiry{policy: p, subject: s, question: r.question, sql: r.question.byKey, wanted: isKey, by: "key"}
	for i, c := range changes {
		row := c.New
		if c.Operation == replication.Delete {
			row = c.Old
		}
		seen, sure := b.holds(c.Operation, row)
		switch {
		case sure || c.Operation == replication.Truncate:
			v.visible[i] = seen || c.Operation == replication.Truncate
		case r.question.complete(row):
			byRow.add(i, row)
		case c.Operation == replication.Delete:
			v.visible[i] = true
		case r.question.findable(row):
			byKey.add(i, row)
		}
	}
	if refused, err = byRow.run(ctx, v); refused != nil || err != nil {
		return refused, err
	}
	return byKey.run(ctx, v)
}
