package policy

import (
	"fmt"
	"slices"
	"strings"

	"walcast/replication"
)

// rules is the row-level security of one relation for one role. It holds no
// Relation: what is cached must not keep alive the key that it is cached by.
type rules struct {
	kind       rulesKind
	policies   []rule
	functions  map[string]*function
	attributes map[string]attribute
	question   *question // how to ask Postgres; for byPolicies only
	compilable bool      // as far as can be said without a subject
	text       string    // equal rules have equal texts
}

type rulesKind uint8

const (
	openToAll  rulesKind = iota // no row-level security applies
	byPolicies                  // the policies decide
	hidden                      // the relation is gone: nobody can judge its rows
	forbidden                   // no USAGE on the schema: Postgres would raise
)

// rule is one policy.
type rule struct {
	permissive bool
	using      string
	parsed     expression // nil when it is not understood
}

// newRules sorts out what the catalog said.
func newRules(rel *replication.Relation, f *facts) *rules {
	r := &rules{attributes: map[string]attribute{}}
	for _, a := range f.attributes {
		r.attributes[a.Name] = a
	}
	switch {
	case !f.RelationKnown:
		r.kind = hidden
	case !f.RowSecurity:
		r.kind = openToAll
	case !f.SchemaUsage:
		r.kind = forbidden
	default:
		r.kind = byPolicies
		r.learn(f)
		r.question = newQuestion(rel, f)
	}
	r.text = r.describe(f)
	return r
}

func (r *rules) learn(f *facts) {
	r.functions = byName(f.functions)
	r.compilable = f.session.certain()
	for _, p := range f.policies {
		known := rule{permissive: p.Permissive, using: p.Using}
		if e, err := parseExpression(p.Using); err == nil {
			known.parsed = e
		}
		r.compilable = r.compilable && known.parsed != nil
		r.policies = append(r.policies, known)
	}
}

// describe writes everything that anything is derived from.
func (r *rules) describe(f *facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %t %q %q\n", r.kind, r.compilable, f.Schema, f.Table)
	if r.kind != byPolicies {
		return b.String()
	}
	fmt.Fprintf(&b, "%+v %+v %+v %+v", f.attributes, f.policies, f.functions, f.session)
	return b.String()
}

// bind makes the condition of the rules for one subject, which is errUncertain
// when Postgres must be asked. No permissive policy means that nothing is seen.
func (r *rules) bind(rel *replication.Relation, s *Subject) (condition, error) {
	if !r.compilable {
		return nil, errUncertain
	}
	b := &binding{
		environment: environment{role: s.Role, claims: s.Claims, functions: r.functions},
		relation:    rel,
		collated:    func(column string) bool { return !r.attributes[column].Deterministic },
	}
	var permissive either
	var all both
	for _, p := range r.policies {
		c, err := b.condition(p.parsed)
		if err != nil {
			return nil, err
		}
		if p.permissive {
			permissive = append(permissive, c)
		} else {
			all = append(all, c)
		}
	}
	return append(all, permissive), nil
}

// toastable reports whether an UPDATE may come without the column's value.
func (r *rules) toastable(rel *replication.Relation, column int) bool {
	return rel.ReplicaIdentity != replication.IdentityFull && r.attributes[rel.Columns[column].Name].Toastable
}

// where is the test for an operation: of the new row, or for DELETE of as much
// of the old one as the replica identity sends, which hides only rows that the
// subject provably could not see.
func (r *rules) where(rel *replication.Relation, c condition, op replication.Operation) (test, error) {
	never := func(int) bool { return false }
	switch op {
	case replication.Insert:
		return c.when(setTrue, never), nil
	case replication.Update:
		t := c.when(setTrue, never)
		if nullTested(t, func(column int) bool { return r.toastable(rel, column) }) {
			return nil, errUncertain
		}
		return t, nil
	case replication.Delete:
		return c.when(setTrue, func(column int) bool { return !rel.Columns[column].Identity }), nil
	}
	return constant(true), nil
}

// nullTested reports whether the test asks of such a column whether it is NULL.
// An unchanged value outside the row is not in the WAL, and it is not NULL; in
// comparisons it does not matter, as only long values are stored outside.
func nullTested(t test, such func(column int) bool) bool {
	some := func(t test) bool { return nullTested(t, such) }
	switch t := t.(type) {
	case nullTest:
		return such(t.column)
	case allOf:
		return slices.ContainsFunc(t, some)
	case someOf:
		return slices.ContainsFunc(t, some)
	}
	return false
}
