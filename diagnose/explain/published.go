package explain

import (
	"context"
	"fmt"
	"slices"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// published checks whether a change of the row is sent at all, and whether the binding is
// for such.
func (x *explanation) published(ctx context.Context, row wal.Row) ([]Check, error) {
	op := x.asked.action
	event := Check{What: "event", Verdict: Yes, Text: "the binding is for " + op.String()}
	if !x.binding.Events.Has(op) {
		event.Verdict, event.Text = No, fmt.Sprintf("the binding is for %s alone, and this is %s", x.binding.Spec.Event, op)
	}
	rel := x.view.Relation
	partly, err := x.catalog.Publishes(ctx, rel.Schema, rel.Table)
	if err != nil {
		return nil, err
	}
	sent := Check{What: "publication", Verdict: Yes, Text: op.String() + " of the table is published"}
	if p, isPartly := partly[rel.OID]; isPartly && !(op == wal.Insert && p.Insert || op == wal.Update && p.Update || op == wal.Delete && p.Delete) {
		sent.Verdict, sent.Name, sent.Text = No, p.Publication, "it does not publish "+op.String()+" of the table"
	}
	filtered, err := x.rowFilters(ctx, row)
	return append([]Check{event, sent}, filtered...), err
}

// rowFilters evaluates the row filters of the publications, of which any may hold: a
// publication without one has all rows.
func (x *explanation) rowFilters(ctx context.Context, row wal.Row) (checks []Check, err error) {
	found, err := x.catalog.RowFilters(ctx, x.view.Relation.OID, x.asked.action)
	if err != nil {
		return nil, err
	}
	held := false
	for _, f := range found {
		c := Check{What: "row filter", Name: f.Publication, Text: f.Text}
		truth, err := x.judge.Holds(ctx, policy.RowFilter(f.Publication, f.Text, f.Columns), row)
		raised, isRaised := asRaised(err)
		switch {
		case isRaised:
			c.Verdict, c.Text = Unknown, f.Text+" cannot be evaluated: "+raised
		case err != nil:
			return nil, err
		case truth == filters.True:
			c.Verdict, held = Yes, true
		default:
			c.Verdict, c.Text = No, f.Text+" does not hold, so that the change is not published"
		}
		checks = append(checks, c)
	}
	if held {
		return slices.DeleteFunc(checks, func(c Check) bool { return c.Verdict == No }), nil
	}
	return checks, nil
}
