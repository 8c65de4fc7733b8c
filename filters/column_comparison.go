package filters

import (
	"fmt"

	"walcast/filters/datum"
	"walcast/replication/wal"
)

// columnComparison is an operator between two columns of one type.
type columnComparison struct {
	left, right *operand
	typ         datum.Type
	op          Operator
	negate      bool
}

// CompareColumns compares two columns of one type with Eq, Neq, Lt, Lte, Gt,
// Gte or IsDistinct. It refuses what Go is not certain of; its errors are
// *BindError.
func CompareColumns(rel *wal.Relation, a string, op Operator, b string, l Locale) (Expr, error) {
	left, err := newOperand(rel, a)
	if err != nil {
		return nil, err
	}
	right, err := newOperand(rel, b)
	if err != nil {
		return nil, err
	}
	e := &columnComparison{left: left, right: right, op: op, typ: datum.Of(left.typ, l.certainty().Options)}
	ordering := false
	switch op {
	case Eq, IsDistinct:
	case Neq:
		e.op, e.negate = Eq, true
	case Lt, Lte:
		ordering = true
	case Gt:
		e.op, e.negate, ordering = Lte, true, true
	case Gte:
		e.op, e.negate, ordering = Lt, true, true
	default:
		return nil, NewBindError("0A000", fmt.Sprintf("operator %s does not compare columns", op))
	}
	if left.typ.OID != right.typ.OID || e.typ == nil || ordering && !e.typ.Ordered() {
		return nil, NewBindError("0A000", fmt.Sprintf("columns of types %s and %s are not compared here", typeName(left.typ), typeName(right.typ)))
	}
	return e, nil
}

func (c *columnComparison) Eval(row wal.Row) Truth { return c.evaluate(&evaluation{row: row}) }

func (c *columnComparison) evaluate(ev *evaluation) Truth {
	t := c.compare(ev)
	if c.negate {
		return t.not()
	}
	return t
}

func (c *columnComparison) compare(ev *evaluation) Truth {
	a, kindA := c.left.text(ev.row)
	b, kindB := c.right.text(ev.row)
	switch {
	case kindA == wal.Absent || kindB == wal.Absent:
		return Unknown
	case kindA == wal.Null || kindB == wal.Null:
		if c.op == IsDistinct {
			return truth(kindA != kindB)
		}
		return Unknown
	}
	x, ok1 := ev.value(c.left, c.typ, a)
	y, ok2 := ev.value(c.right, c.typ, b)
	if !ok1 || !ok2 {
		return Undecided
	}
	switch c.op {
	case Eq:
		return truth(x.Key == y.Key)
	case IsDistinct:
		return truth(x.Key != y.Key)
	}
	if x.Unordered || y.Unordered {
		return Undecided
	}
	n := c.typ.Compare(x, y)
	return truth(n < 0 || n == 0 && c.op == Lte)
}

func (c *columnComparison) Key() string {
	negation := ""
	if c.negate {
		negation = "not "
	}
	return fmt.Sprintf("%s%q %s column %q", negation, c.left.name, c.op, c.right.name)
}

func (c *columnComparison) negation() Expr {
	opposite := *c
	opposite.negate = !c.negate
	return &opposite
}
