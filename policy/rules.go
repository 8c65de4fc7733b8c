package policy

import (
	"fmt"
	"slices"
	"strings"

	"walcast/policy/compile"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// rules is the row-level security of one relation for one role. It has no pointer to
// the Relation, as it is cached under a weak pointer to it.
type rules struct {
	kind       rulesKind
	policies   []compile.Rule
	names      []string // of policies
	functions  sql.Functions
	columns    map[string]compile.Column
	statements *statements // how to ask Postgres, if the kind is byPolicies
	compilable bool        // as far as is known without a subject
	text       string      // all that the rules were made of: equal rules have equal texts
}

type rulesKind uint8

const (
	openToAll  rulesKind = iota // no row-level security applies
	byPolicies                  // the policies decide
	hidden                      // the relation was dropped: its rows cannot be judged
	forbidden                   // no USAGE on the schema: Postgres would raise
)

// newRules makes the rules of what the catalog says.
func newRules(rel *wal.Relation, f *facts) *rules {
	r := &rules{}
	switch {
	case !f.relation.Known:
		r.kind = hidden
	case !f.relation.RowSecurity:
		r.kind = openToAll
	case !f.relation.SchemaUsage:
		r.kind = forbidden
	default:
		r.kind = byPolicies
		r.learn(f)
		r.statements = newStatements(rel, f)
	}
	r.text = r.describe(f)
	return r
}

// learn parses the policies and takes what compiling them needs.
func (r *rules) learn(f *facts) {
	r.columns = map[string]compile.Column{}
	for _, a := range f.relation.attributes {
		r.columns[a.Name] = compile.Column{Toastable: a.Toastable, Deterministic: a.Deterministic}
	}
	r.functions = sql.NewFunctions(f.policies.functions)
	r.compilable = f.session.certain() && !slices.ContainsFunc(f.policies.functions, takesArguments)
	for _, p := range f.policies.stored {
		e, err := sql.Parse(p.Using)
		r.compilable = r.compilable && err == nil
		r.names = append(r.names, p.Name)
		r.policies = append(r.policies, compile.Rule{Permissive: p.Permissive, Using: e})
	}
}

// takesArguments reports whether a function of the policies may be a cast function.
// The text of a policy does not show that a cast calls one, and implicit casts it does
// not show at all.
func takesArguments(d sql.Definition) bool { return d.Signature.Arguments > 0 }

// describe writes all facts that the rules, and what is compiled of them, depend on.
func (r *rules) describe(f *facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %t %q %q\n", r.kind, r.compilable, f.relation.Schema, f.relation.Table)
	if r.kind != byPolicies {
		return b.String()
	}
	fmt.Fprintf(&b, "%+v %+v %q %+v %+v %+v %v", f.relation.attributes, f.policies.stored, f.policies.asked, f.policies.functions, f.session, f.names, f.relation.Selectable)
	return b.String()
}
