package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// visibility says what the subject may see of the table.
func (x *explanation) visibility(ctx context.Context) (*Visibility, error) {
	v := &Visibility{}
	x.columns(v)
	for _, p := range x.judge.Policies() {
		v.Policies = append(v.Policies, Policy{Name: p.Name, Permissive: p.Permissive, Using: p.SQL})
	}
	role := x.subject.Role
	switch verdict := x.policy.Verdict(x.view, x.subject); {
	case x.view.NoUsage && x.view.RowSecurity:
		v.How, v.Text = ByHidden, fmt.Sprintf("role %q has no USAGE on schema %s", role, x.view.Relation.Schema)
	case verdict == policy.Open:
		v.How, v.Text = ByNone, fmt.Sprintf("row-level security does not apply to role %q", role)
	case x.view.NoPolicy:
		v.How, v.Text = ByHidden, fmt.Sprintf("row-level security is on, and no permissive policy for SELECT applies to role %q", role)
	case verdict == policy.Compiled:
		v.How, v.Text = ByCompiled, "the policies are an expression of the row for this subject, which is part of what finds the binding: Postgres is not asked"
		v.Rules = x.rules()
	case x.policy.Unjudged(x.view, x.subject) != nil:
		v.How, v.Text = ByHidden, "nobody can say which rows the policies show"
	default:
		v.How, v.Text = ByAsked, "Postgres is asked about the rows of each batch of changes, as the subject"
		return v, x.askedOf(ctx, v)
	}
	return v, nil
}

// columns says which columns a payload has.
func (x *explanation) columns(v *Visibility) {
	shown := x.binding.Shows(x.view)
	v.Columns = []string{}
	for i, c := range x.view.Relation.Columns {
		switch {
		case shown[i]:
			v.Columns = append(v.Columns, c.Name)
		case !x.view.Columns[i]:
			v.Denied = append(v.Denied, c.Name)
		default:
			v.Ignored = append(v.Ignored, c.Name)
		}
	}
}

// rules are the compiled conditions, events with the same together.
func (x *explanation) rules() (all []Expression) {
	for _, op := range rowOperations {
		sql := "true"
		if where := x.policy.Guard(x.subject).Where(x.view.Relation, op); where != nil {
			sql = filters.Describe(where)
		}
		if i := slices.IndexFunc(all, func(e Expression) bool { return e.SQL == sql }); i >= 0 {
			all[i].Events = append(all[i].Events, op.String())
			continue
		}
		all = append(all, Expression{Events: []string{op.String()}, SQL: sql})
	}
	return all
}

// askedOf says why Postgres is asked.
func (x *explanation) askedOf(ctx context.Context, v *Visibility) error {
	unsent := map[string][]string{}
	for _, p := range x.judge.Policies() {
		unsent[p.Name] = x.judge.Unsent(p)
	}
	why, err := diagnose.Asked(ctx, x.config.Pool, x.view.Relation.OID, x.policy.Undecided(x.view, x.subject))
	for _, a := range why {
		if columns := unsent[a.Name]; len(columns) > 0 {
			a.Why = "reads " + strings.Join(columns, ", ") + ", which is not published: the row is looked up by its key"
		}
		v.Asked = append(v.Asked, Asked{Name: a.Name, Why: a.Why})
	}
	return err
}

// seen asks whether the subject may see a row, as a delivery does.
func (x *explanation) seen(ctx context.Context, change *wal.Change) (bool, Check, error) {
	q := &policy.Inquiry{Subject: x.subject, Changes: []*wal.Change{change}}
	if _, err := x.policy.VisibleAll(ctx, []*policy.Inquiry{q}); err != nil {
		return false, Check{}, err
	}
	c := Check{What: "visibility", Verdict: Yes}
	raised := q.Errs[0]
	how := x.answer.Visibility.How
	switch {
	case raised != nil:
		c.Verdict, c.Text = No, "the row is hidden, as it could not be judged: "+textOf(raised)
	case q.ByKey[0] && !q.Visible[0]:
		c.Verdict, c.Text = No, "the row was looked up by its key, and as this subject Postgres finds no such row, or another version of it: the policies read what the change does not have"
	case how == ByNone:
		c.Text = "row-level security does not apply"
	case q.Visible[0] && change.Operation == wal.Delete && !x.isWhole(change.Old):
		c.Text = "the old row has the columns of the replica identity, of which nothing hides it: a DELETE is shown by its key"
	case q.Visible[0]:
		c.Text = "the policies let the subject see it"
	default:
		c.Verdict, c.Text = No, "the policies hide it from the subject"
	}
	return q.Visible[0] && raised == nil, c, nil
}

// isWhole reports whether a row has all columns of the table that are published.
func (x *explanation) isWhole(row wal.Row) bool {
	return row != nil && !slices.ContainsFunc(row, func(v wal.Value) bool { return v.Kind == wal.Absent })
}

// policies has Postgres evaluate each policy by itself. They are told of, and do not decide.
func (x *explanation) policies(ctx context.Context, row wal.Row) (checks []Check, err error) {
	for _, p := range x.judge.Policies() {
		c := Check{What: restrictive, Name: p.Name, Text: p.SQL}
		if p.Permissive {
			c.What = permissive
		}
		truth, err := x.judge.Holds(ctx, p, row)
		raised, isRaised := asRaised(err)
		switch {
		case isRaised:
			c.Verdict, c.Text = Unknown, p.SQL+" cannot be evaluated: "+raised
		case err != nil:
			return nil, err
		case truth == filters.True:
			c.Verdict = Yes
		case truth == filters.Unknown:
			c.Verdict, c.Text = No, p.SQL+" is NULL, which hides as false does"
		default:
			c.Verdict, c.Text = No, p.SQL+" is false"
		}
		checks = append(checks, c)
	}
	return checks, nil
}

// hiddenBy adds to a visibility check which policies say no, if they could be evaluated.
func (c *Check) hiddenBy(policies []Check) {
	isKnown := !slices.ContainsFunc(policies, func(p Check) bool { return p.Verdict == Unknown })
	if c.Verdict == No && isKnown && len(policies) > 0 {
		c.Text += ": " + saysNo(policies)
	}
}
