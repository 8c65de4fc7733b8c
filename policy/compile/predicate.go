package compile

import (
	"strings"

	"walcast/filters"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// predicate turns a clause into what the match index can file. Its error means
// that Postgres must be asked.
func predicate(rel *wal.Relation, t clause) (filters.Expr, error) {
	switch t := t.(type) {
	case constantClause:
		return filters.Constant(truthIf(bool(t))), nil
	case compareClause:
		return compareColumn(rel, t.column, t.op, t.value)
	case anyOfClause:
		e, err := compareColumn(rel, t.column, filters.In, arrayText(t.values))
		return negatedIf(t.negate, e), err
	case nullClause:
		e, err := compareColumn(rel, t.column, filters.Is, "null")
		return negatedIf(t.negate, e), err
	case lackClause:
		return filters.Lacks(rel, t.column), nil
	case allOf:
		exprs, err := predicates(rel, t)
		return filters.And(exprs...), err
	case someOf:
		exprs, err := predicates(rel, t)
		return filters.Or(exprs...), err
	}
	panic("compile: unknown clause")
}

func predicates(rel *wal.Relation, clauses []clause) ([]filters.Expr, error) {
	exprs := make([]filters.Expr, len(clauses))
	for i, t := range clauses {
		e, err := predicate(rel, t)
		if err != nil {
			return nil, err
		}
		exprs[i] = e
	}
	return exprs, nil
}

// compareColumn takes literals as Postgres printed them in UTC; text is only
// tested for equality, so collations do not matter.
func compareColumn(rel *wal.Relation, column int, op filters.Operator, literal string) (filters.Expr, error) {
	name := rel.Columns[column].Name
	if strings.Contains(name, "->") || strings.Contains(name, "::") { // read as a path or a cast
		return nil, sql.ErrUncertain
	}
	e, err := filters.Compare(rel, name, op, literal, filters.Locale{Collate: "C", Ctype: "C", TimeZone: "UTC"})
	if err != nil {
		return nil, sql.ErrUncertain
	}
	return e, nil
}

func truthIf(holds bool) filters.Truth {
	if holds {
		return filters.True
	}
	return filters.False
}

func negatedIf(negate bool, e filters.Expr) filters.Expr {
	if !negate || e == nil {
		return e
	}
	return filters.Not(e)
}

// arrayText is the literal of an array of texts.
func arrayText(items []string) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		_, _ = quote.WriteString(&b, item) // a Builder does not fail
		b.WriteByte('"')
	}
	return "{" + b.String() + "}"
}
