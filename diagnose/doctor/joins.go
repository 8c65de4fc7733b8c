package doctor

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// joins checks what clients would be told that join with bindings to tables.
type joins struct {
	checker *diagnose.Checker
	policy  *policy.Policy
	pool    *pgxpool.Pool
	tables  []table // those that are published
	named   bool    // the roles were asked for by name
}

// subs are ids of users that tokens may have. A policy is said to be asked of Postgres
// if it is for all of them: of a sub that is no value of the column's type only Postgres
// can tell what comes of it.
var subs = []string{"00000000-0000-0000-0000-000000000000", "1"}

// claims are those of a token for a role, and of a user unless sub is "".
func claims(role, sub string) string {
	all := map[string]string{"role": role}
	if sub != "" {
		all["sub"] = sub
	}
	text, _ := json.Marshal(all) // a map of strings always encodes
	return string(text)
}

// examine checks a table for roles.
func (j *joins) examine(ctx context.Context, name catalog.TableName, roles []clientRole) ([]Finding, error) {
	i := slices.IndexFunc(j.tables, func(t table) bool { return t.schema == name.Schema && t.name == name.Table })
	if i < 0 {
		return j.unpublished(ctx, name)
	}
	var findings []Finding
	works := false
	for _, r := range roles {
		more, err := j.join(ctx, j.tables[i], r.name)
		if err != nil {
			return nil, err
		}
		findings = append(findings, more...)
		works = works || !slices.ContainsFunc(more, func(f Finding) bool { return f.Verdict == Problem })
	}
	if works && !j.named {
		excuse(findings)
	}
	return findings, nil
}

// excuse takes what a role may not see for intended, as another role sees it: few tables
// are for everybody.
func excuse(findings []Finding) {
	for i := range findings {
		switch f := &findings[i]; f.Code {
		case protocol.CodeNotGranted, protocol.CodeKeyNotGranted, protocol.CodeSchemaNotGranted, protocol.CodeNoPolicy:
			f.Verdict = OK
			f.Reason += ". Another role gets its changes, so that this may be as it should"
		}
	}
}

// unpublished says why no changes come of a table.
func (j *joins) unpublished(ctx context.Context, name catalog.TableName) ([]Finding, error) {
	p, err := j.checker.Unpublished(ctx, name)
	if err != nil {
		return nil, err
	}
	return []Finding{problem(p.Code, Table, name.Schema+"."+name.Table, "%s", diagnose.ReasonUnpublished(p.Code)).cured(p.Fix, p.Cost, "the owner of the publication and the table")}, nil
}

// join checks a published table for a role.
func (j *joins) join(ctx context.Context, t table, role string) ([]Finding, error) {
	s := j.policy.Subject(role, claims(role, ""))
	defer j.policy.Release(s)
	told, err := j.told(ctx, s, protocol.Binding{Event: "*", Schema: t.schema, Table: t.name})
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, p := range told {
		findings = append(findings, t.finding(p))
	}
	if len(told) == 0 {
		how, err := j.judged(ctx, t, role)
		if err != nil {
			return nil, err
		}
		findings = append(findings, how)
	}
	more, err := j.more(ctx, t, s, told)
	return append(findings, more...), err
}

// told is what a subject is told that joins with a binding.
func (j *joins) told(ctx context.Context, s *policy.Subject, spec protocol.Binding) ([]protocol.Problem, error) {
	bindings, refused := diagnose.Parse([]protocol.Binding{spec})
	if refused != nil {
		return []protocol.Problem{*refused}, nil
	}
	found, err := j.checker.Check(ctx, s, bindings)
	if err != nil {
		return nil, err
	}
	if found.Refused != nil {
		return []protocol.Problem{*found.Refused}, nil
	}
	return found.Warnings, nil
}

// more is what bindings that ask for more than changes would be told beside what was told
// already: a table that keeps its rows by key, and a filter on old rows.
func (j *joins) more(ctx context.Context, t table, s *policy.Subject, told []protocol.Problem) ([]Finding, error) {
	view := protocol.Binding{Event: "*", Schema: t.schema, Table: t.name}
	view.View = true
	of, err := j.told(ctx, s, view)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, p := range of {
		switch {
		case p.Code == protocol.CodeSnapshotDenied || p.Code == protocol.CodeEventNotPublished: // what else is told says so, of the role and of the publication
		case slices.ContainsFunc(told, func(o protocol.Problem) bool { return o.Code == p.Code }):
		default:
			f := t.finding(p)
			f.Reason += ": a binding with snapshot or view is refused"
			findings = append(findings, f)
		}
	}
	column, err := j.outside(ctx, t, s)
	if err != nil || column == "" {
		return findings, err
	}
	of, err = j.told(ctx, s, protocol.Binding{Event: "DELETE", Schema: t.schema, Table: t.name, Filter: column + "=is.null"})
	for _, p := range of {
		if p.Code == protocol.CodeReplicaIdentity {
			of := "its replica identity alone: no DELETE"
			if t.kind == "p" {
				of = "the replica identity of their partition alone: not every DELETE"
			}
			findings = append(findings, fine(p.Code, Table, t.qualified(), "old rows have the columns of %s matches a filter on another column", of).cured(p.Fix, p.Cost, quote(t.owner)))
		}
	}
	return findings, err
}

// outside is a column of a table that a filter can name, that the role may read and that
// not all old rows have; "" if there is none.
func (j *joins) outside(ctx context.Context, t table, s *policy.Subject) (string, error) {
	rel, view, err := j.view(ctx, t, s)
	if err != nil || rel == nil {
		return "", err
	}
	for i, c := range rel.Columns {
		if rel.OldHas(i) != wal.SentAlways && view.Columns[i] && plain.MatchString(c.Name) {
			return c.Name, nil
		}
	}
	return "", nil
}

// plain are names that stand in a filter as they are.
var plain = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// view is the relation of a table and what a subject may see of it; nil where the table is
// not published any more.
func (j *joins) view(ctx context.Context, t table, s *policy.Subject) (*wal.Relation, *policy.View, error) {
	rel, err := j.checker.Relation(ctx, catalog.TableName{Schema: t.schema, Table: t.name})
	if err != nil || rel == nil {
		return nil, nil, err
	}
	view, err := j.policy.ViewWithin(ctx, rel, s, diagnose.Believed)
	return rel, view, err
}

// judged says how the rows of a table are judged for a role.
func (j *joins) judged(ctx context.Context, t table, role string) (Finding, error) {
	name := t.qualified()
	for _, sub := range subs {
		s := j.policy.Subject(role, claims(role, sub))
		rel, view, err := j.view(ctx, t, s)
		if err != nil || rel == nil {
			j.policy.Release(s)
			return fine("join", Table, name, "it was published a moment ago"), err
		}
		verdict := j.policy.Verdict(view, s)
		asked := j.policy.Undecided(view, s)
		j.policy.Release(s)
		switch {
		case verdict == policy.Open:
			return fine("join", Table, name, "role %s gets the changes of all its rows", quote(role)), nil
		case verdict == policy.Compiled:
			return fine("join", Table, name, "role %s gets the changes that row-level security lets it see, which walcast decides by itself", quote(role)), nil
		case sub == subs[len(subs)-1]:
			why, err := j.why(ctx, t, asked)
			return warning("policy_asked", Table, name, "which rows role %s may see is asked of Postgres, for each user and batch of changes: %s", quote(role), why).
				advised("it works, and takes time of the database with each change: a policy that compares columns with claims (owner = auth.uid()) is decided without it"), err
		}
	}
	return Finding{}, nil
}

// why says why Postgres is asked about policies.
func (j *joins) why(ctx context.Context, t table, policies []string) (string, error) {
	all, err := diagnose.Asked(ctx, j.pool, t.oid, policies)
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return strings.Join(texts, "; "), err
}

// finding is what a join is told, as a finding about the table: without what the fix
// repeats.
func (t table) finding(p protocol.Problem) Finding {
	v := Problem
	if p.Code == protocol.CodeNoKey {
		v = Warning
	}
	return found(v, p.Code, Table, t.qualified(), "%s", diagnose.Reason(p, t.schema, t.name)).cured(p.Fix, p.Cost, quote(t.owner))
}
