package policy

import (
	"fmt"
	"slices"
	"strings"

	"walcast/policy/compile"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// rules is the row-level security of one relation for one role. It holds no
// Relation: what is cached must not keep alive the key that it is cached by.
type rules struct {
	kind       rulesKind
	policies   []compile.Rule
	functions  sql.Functions
	columns    map[string]compile.Column
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

// newRules sorts out what the catalog said.
func newRules(rel *wal.Relation, f *facts) *rules {
	r := &rules{}
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
	r.columns = map[string]compile.Column{}
	for _, a := range f.attributes {
		r.columns[a.Name] = compile.Column{Toastable: a.Toastable, Deterministic: a.Deterministic}
	}
	r.functions = sql.NewFunctions(f.functions)
	r.compilable = f.session.certain() && !slices.ContainsFunc(f.functions, takesArguments)
	for _, p := range f.policies {
		e, err := sql.Parse(p.Using)
		r.compilable = r.compilable && err == nil
		r.policies = append(r.policies, compile.Rule{Permissive: p.Permissive, Using: e})
	}
}

// takesArguments reports whether a function of the policies may be one that
// casts: of that nothing is to be seen in the policy's text, where the cast is
// implicit, or a cast that looks like all others.
func takesArguments(d sql.Definition) bool { return d.Arguments > 0 }

// describe writes everything that anything is derived from.
func (r *rules) describe(f *facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %t %q %q\n", r.kind, r.compilable, f.Schema, f.Table)
	if r.kind != byPolicies {
		return b.String()
	}
	fmt.Fprintf(&b, "%+v %+v %q %+v %+v %+v %v", f.attributes, f.policies, f.asked, f.functions, f.session, f.names, f.Selectable)
	return b.String()
}
