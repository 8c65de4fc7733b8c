package compile

import (
	"slices"

	"walcast/filters"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// Source is what policies are compiled for: one relation and one subject.
type Source struct {
	Relation    *wal.Relation
	Environment *sql.Environment
	Column      func(name string) Column
}

// Column is what the catalog says of a column beyond the Relation.
type Column struct {
	Toastable     bool // long values are stored outside the row
	Deterministic bool // its collation, if it has one
}

// Rule is one policy.
type Rule struct {
	Permissive bool
	Using      sql.Expression
}

// Where is the condition under which an operation is visible, by operation; nil
// means always.
type Where [wal.Message + 1]filters.Expr

// Compile compiles the policies that apply, of which any permissive and all
// restrictive ones must hold. No permissive policy means that nothing is seen.
// Its error is sql.ErrUncertain: Postgres must be asked.
//
// INSERT and UPDATE are judged by the new row, DELETE by as much of the old one
// as the replica identity sends: it hides only what the subject provably could
// not see.
func Compile(s Source, rules []Rule) (where Where, err error) {
	c, err := bind(s, rules)
	if err != nil {
		return where, err
	}
	all := func(int) wal.Sent { return wal.SentAlways }
	update := c.when(setTrue, all)
	if nullTested(update, s.toastable) {
		return where, sql.ErrUncertain
	}
	clauses := map[wal.Operation]clause{
		wal.Insert: c.when(setTrue, all),
		wal.Update: update,
		wal.Delete: c.when(setTrue, s.Relation.OldHas),
	}
	for op, t := range clauses {
		if t == constant(true) {
			continue
		}
		if where[op], err = predicate(s.Relation, t); err != nil {
			return Where{}, err
		}
	}
	return where, nil
}

func bind(s Source, rules []Rule) (condition, error) {
	b := &binding{s}
	var permissive either
	var all both
	for _, rule := range rules {
		c, err := b.condition(rule.Using)
		if err != nil {
			return nil, err
		}
		if rule.Permissive {
			permissive = append(permissive, c)
		} else {
			all = append(all, c)
		}
	}
	return append(all, permissive), nil
}

// toastable reports whether an UPDATE may come without the column's value.
func (s Source) toastable(column int) bool {
	return !s.Relation.SendsWhole() && s.Column(s.Relation.Columns[column].Name).Toastable
}

// nullTested reports whether the clause asks of such a column whether it is
// NULL. An unchanged value outside the row is not in the WAL, and it is not
// NULL; in comparisons it does not matter, as only long values are stored there.
func nullTested(c clause, such func(column int) bool) bool {
	some := func(c clause) bool { return nullTested(c, such) }
	switch c := c.(type) {
	case nullClause:
		return such(c.column)
	case allOf:
		return slices.ContainsFunc(c, some)
	case someOf:
		return slices.ContainsFunc(c, some)
	}
	return false
}
