package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// row says what becomes of the row that was asked about.
func (x *explanation) row(ctx context.Context) error {
	r := &Row{Action: x.asked.action.String()}
	var row wal.Row
	var err error
	if x.asked.key != nil {
		p := &present{x.config.Pool, x.config.Reader, x.subject, x.view.Relation, x.answer.Binding.Table, x.asked.key}
		row, err = p.read(ctx)
	} else {
		row, err = x.given(ctx, r)
	}
	if err != nil {
		return err
	}
	r.Values = map[string]*string{}
	for i, c := range x.view.Relation.Columns {
		r.order = append(r.order, c.Name)
		r.Values[c.Name] = nil
		if row[i].Kind == wal.Text {
			r.Values[c.Name] = &row[i].Text
		}
	}
	x.answer.Row = r
	return x.follow(ctx, x.change(row))
}

// change is the change of the row as the WAL would have it. Of the old row of a DELETE it
// has what the replica identity sends, that of every partition.
func (x *explanation) change(row wal.Row) *wal.Change {
	rel := x.view.Relation
	c := &wal.Change{Operation: x.asked.action, Relation: rel, New: row}
	if c.Operation != wal.Delete {
		return c
	}
	c.New, c.Old = nil, slices.Clone(row)
	any := false
	for i := range rel.Columns {
		isSent := rel.OldHas(i) == wal.SentAlways
		any = any || isSent
		if !isSent {
			c.Old[i] = wal.Value{}
		}
	}
	if !any {
		c.Old = nil
	}
	return c
}

// given reads the row of the question. Columns that are missing count for NULL.
func (x *explanation) given(ctx context.Context, r *Row) (wal.Row, error) {
	rel := x.view.Relation
	row := make(wal.Row, len(rel.Columns))
	for name := range x.asked.row {
		if rel.Column(name) < 0 {
			if err := x.unsent(ctx, name, r); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(r.Unsent)
	for i, c := range rel.Columns {
		text, has := x.asked.row[c.Name]
		if !has {
			r.Missing = append(r.Missing, c.Name)
		}
		var err error
		if row[i], err = valueOf(c, text); err != nil {
			return nil, err
		}
	}
	return row, x.print(ctx, row)
}

// unsent notes a column that is not published.
func (x *explanation) unsent(ctx context.Context, name string, r *Row) error {
	exists, err := x.catalog.HasColumn(ctx, x.view.Relation.OID, name)
	if err != nil {
		return err
	}
	if !exists {
		return wrong("row: %s has no column %q", x.answer.Binding.Table, name)
	}
	r.Unsent = append(r.Unsent, name)
	return nil
}

// valueOf reads an entry of the row: a text stands for what Postgres prints, null and
// nothing for NULL. Numbers, true and false are as Postgres prints them for the types that
// have these, and objects and lists documents.
func valueOf(c wal.Column, text json.RawMessage) (wal.Value, error) {
	text = bytes.TrimSpace(text)
	base := c.Type.Underlying()
	isDocument := base.Schema == "pg_catalog" && (base.Name == "json" || base.Name == "jsonb")
	switch {
	case len(text) == 0 || string(text) == "null":
		return wal.Value{Kind: wal.Null}, nil
	case text[0] == '"':
		var s string
		err := json.Unmarshal(text, &s)
		return wal.Value{Kind: wal.Text, Text: s}, err
	case (text[0] == '{' || text[0] == '[') && !isDocument:
		return wal.Value{}, wrong(`row: column %q: want the text that Postgres prints, such as "{1,2}" of an array`, c.Name)
	case (string(text) == "true" || string(text) == "false") && base.Name == "bool":
		return wal.Value{Kind: wal.Text, Text: string(text[:1])}, nil
	}
	return wal.Value{Kind: wal.Text, Text: string(text)}, nil
}

// print has Postgres read the values and print them, as the subject: their types may have
// code of users. So a value may be written in any way that Postgres reads.
func (x *explanation) print(ctx context.Context, row wal.Row) error {
	var calls []filters.Call
	var of []int
	for i, c := range x.view.Relation.Columns {
		if row[i].Kind == wal.Text && c.Type.Kind != wal.KindUnknown {
			calls, of = append(calls, filters.Call{Schema: c.Type.Schema, Type: c.Type.Name, Literal: row[i].Text, Why: filters.DoubtLiteral}), append(of, i)
		}
	}
	answers, err := x.operators.Ask(ctx, x.subject, calls)
	if err != nil {
		return err
	}
	for n, i := range of {
		if refused := answers[n].Err; refused != nil {
			return wrong("row: column %q: %s", x.view.Relation.Columns[i].Name, refusal(refused))
		}
		row[i].Text = answers[n].Text
	}
	return nil
}

// follow makes the checks of a change, in the order in which a delivery makes them.
func (x *explanation) follow(ctx context.Context, change *wal.Change) error {
	r, row := x.answer.Row, change.New
	if change.Operation == wal.Delete {
		row = change.Old
	}
	published, err := x.published(ctx, row)
	if err != nil {
		return err
	}
	seen, visibility, err := x.seen(ctx, change)
	if err != nil {
		return err
	}
	matched, err := x.matched(ctx, row, seen)
	if err != nil {
		return err
	}
	policies, err := x.policies(ctx, row)
	if err != nil {
		return err
	}
	visibility.hiddenBy(policies)
	r.Checks = append(append(append(published, matched...), visibility), policies...)
	x.shown(change)
	return nil
}

// shown says which columns the payload has.
func (x *explanation) shown(change *wal.Change) {
	r := x.answer.Row
	isWhole := !x.view.RowSecurity || x.policy.Verdict(x.view, x.subject) == policy.Compiled && x.policy.SeesOld(change, x.subject)
	r.keyOnly = change.Operation == wal.Delete && !(isWhole && x.view.Relation.SendsWhole())
	for i, is := range x.binding.Shows(x.view) {
		c := x.view.Relation.Columns[i]
		switch {
		case !is:
		case change.Operation != wal.Delete:
			r.Record = append(r.Record, c.Name)
		case change.Old != nil && change.Old[i].Kind != wal.Absent && (isWhole || c.Key):
			r.OldRecord = append(r.OldRecord, c.Name)
		}
	}
}

// matched evaluates the filter, each of its conditions by itself. Where only Postgres can
// decide one it is asked as the subject, and not about a row that the subject may not see.
func (x *explanation) matched(ctx context.Context, row wal.Row, seen bool) (checks []Check, err error) {
	if !x.works {
		return nil, nil // its filter has been refused
	}
	var asker filters.Asker = silence{}
	if seen {
		asker = x.operators
	}
	for _, condition := range x.binding.Filter {
		alone := filters.Filter{condition}
		decisions, err := filters.Decide(ctx, x.view.Relation, alone, []wal.Row{row}, x.locale, asker, x.subject)
		if err != nil {
			return nil, err
		}
		c := Check{What: "filter", Name: alone.String(), Text: x.read(alone, row)}
		switch d := decisions[0]; {
		case d.Truth == filters.True:
			c.Verdict = Yes
		case d.Truth != filters.Undecided:
			c.Verdict = No
		case !seen:
			c.Verdict, c.Text = Unknown, c.Text+"; Postgres decides, which is not asked about a row that the subject may not see"
		case d.Err != nil:
			c.Verdict, c.Text = No, c.Text+"; Postgres cannot decide, so the row does not come: "+refusal(d.Err)
		default:
			return nil, errors.New("a filter was not decided")
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// read says what a filter reads of a row.
func (x *explanation) read(f filters.Filter, row wal.Row) string {
	var parts []string
	for _, i := range filters.Columns(x.view.Relation, f) {
		name := x.view.Relation.Columns[i].Name
		switch {
		case (row == nil || row[i].Kind == wal.Absent) && x.view.Relation.OldHas(i) == wal.SentSometimes:
			parts = append(parts, name+" is in the old rows of some partitions alone, and not looked at here")
		case row == nil || row[i].Kind == wal.Absent:
			parts = append(parts, name+" is not in the old row, which has the columns of the replica identity")
		case row[i].Kind == wal.Null:
			parts = append(parts, name+" is NULL")
		default:
			parts = append(parts, name+" is "+row[i].Text)
		}
	}
	return strings.Join(parts, ", ")
}

// silence is asked in the place of Postgres, and answers nothing.
type silence struct{}

// Ask implements filters.Asker.
func (silence) Ask(_ context.Context, _ filters.Subject, calls []filters.Call) ([]filters.Answer, error) {
	answers := make([]filters.Answer, len(calls))
	for i := range answers {
		answers[i].Err = filters.NewBindError("0A000", "not asked")
	}
	return answers, nil
}
