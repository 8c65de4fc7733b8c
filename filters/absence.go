package filters

import (
	"strconv"

	"walcast/replication/wal"
)

// absenceTest is whether a row lacks a column: an old row of a table that is published as
// the root of its partitions may have it or not. It is true or false, never unknown.
type absenceTest struct {
	operand *operand
	negate  bool
}

// Lacks returns an Expr that is true for the rows whose Value of a column is Absent.
func Lacks(rel *wal.Relation, column int) Expr {
	return &absenceTest{operand: &operand{column: column, name: rel.Columns[column].Name, typ: rel.Columns[column].Type}}
}

func (a *absenceTest) Eval(row wal.Row) Truth { return a.evaluate(&evaluation{row: row}) }

func (a *absenceTest) evaluate(ev *evaluation) Truth {
	_, kind := ev.text(a.operand)
	return truth((kind == wal.Absent) != a.negate)
}

func (a *absenceTest) Key() string {
	key := strconv.Quote(a.operand.name)
	if a.negate {
		key += " not"
	}
	return key + " absent"
}

func (a *absenceTest) negation() Expr { return &absenceTest{a.operand, !a.negate} }
