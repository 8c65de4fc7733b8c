package filters

import (
	"strings"

	"walcast/replication/wal"
)

// Expr is a boolean expression over the columns of one relation. Exprs are
// immutable and safe for concurrent use.
type Expr interface {
	// Eval returns the truth value that Postgres gives, or Undecided where Postgres
	// has to be asked. A comparison of a column whose Value is Absent is Unknown.
	Eval(row wal.Row) Truth
	// Key returns a canonical text. Exprs of one relation with equal keys are equal.
	Key() string
}

// node is an Expr of this package, which can use the values that an evaluation has
// already read.
type node interface {
	Expr
	evaluate(ev *evaluation) Truth
	negation() Expr
}

// evaluate evaluates an Expr of this or another package.
func evaluate(e Expr, ev *evaluation) Truth {
	if n, ok := e.(node); ok {
		return n.evaluate(ev)
	}
	return e.Eval(ev.row)
}

// Constant returns an Expr that is always t: True, False or Unknown (SQL's NULL).
func Constant(t Truth) Expr { return constant(t) }

type constant Truth

func (c constant) Eval(wal.Row) Truth         { return Truth(c) }
func (c constant) Key() string                { return Truth(c).String() }
func (c constant) evaluate(*evaluation) Truth { return Truth(c) }
func (c constant) negation() Expr             { return constant(Truth(c).not()) }

// And returns SQL's AND of the Exprs. Without any it is True.
func And(exprs ...Expr) Expr {
	flat := make(conjunction, 0, len(exprs))
	for _, e := range exprs {
		switch e := e.(type) {
		case conjunction:
			flat = append(flat, e...)
		case constant:
			if Truth(e) == False {
				return e
			}
			if Truth(e) != True {
				flat = append(flat, e)
			}
		default:
			flat = append(flat, e)
		}
	}
	switch len(flat) {
	case 0:
		return constant(True)
	case 1:
		return flat[0]
	}
	return flat
}

// Or returns SQL's OR of the Exprs. Without any it is False.
func Or(exprs ...Expr) Expr {
	flat := make(disjunction, 0, len(exprs))
	for _, e := range exprs {
		switch e := e.(type) {
		case disjunction:
			flat = append(flat, e...)
		case constant:
			if Truth(e) == True {
				return e
			}
			if Truth(e) != False {
				flat = append(flat, e)
			}
		default:
			flat = append(flat, e)
		}
	}
	switch len(flat) {
	case 0:
		return constant(False)
	case 1:
		return flat[0]
	}
	return flat
}

// Not returns SQL's NOT of an Expr. The negation of Unknown is Unknown.
func Not(e Expr) Expr {
	if n, ok := e.(node); ok {
		return n.negation()
	}
	return negation{e}
}

// conjunction and disjunction hold at least two Exprs, none of their own kind.
type (
	conjunction []Expr
	disjunction []Expr
)

func (c conjunction) Eval(row wal.Row) Truth { return c.evaluate(&evaluation{row: row}) }

func (c conjunction) evaluate(ev *evaluation) Truth {
	t := True
	for _, e := range c {
		if t = t.and(evaluate(e, ev)); t == False {
			return False
		}
	}
	return t
}

func (c conjunction) Key() string { return keyOf("and", c) }

func (c conjunction) negation() Expr {
	negated := make([]Expr, len(c))
	for i, e := range c {
		negated[i] = Not(e)
	}
	return Or(negated...)
}

func (d disjunction) Eval(row wal.Row) Truth { return d.evaluate(&evaluation{row: row}) }

func (d disjunction) evaluate(ev *evaluation) Truth {
	t := False
	for _, e := range d {
		if t = t.or(evaluate(e, ev)); t == True {
			return True
		}
	}
	return t
}

func (d disjunction) Key() string { return keyOf("or", d) }

func (d disjunction) negation() Expr {
	negated := make([]Expr, len(d))
	for i, e := range d {
		negated[i] = Not(e)
	}
	return And(negated...)
}

func keyOf(word string, exprs []Expr) string {
	var out strings.Builder
	out.WriteString("(" + word)
	for _, e := range exprs {
		out.WriteByte(' ')
		out.WriteString(e.Key())
	}
	out.WriteByte(')')
	return out.String()
}

// negation is NOT of an Expr that another package has made.
type negation struct{ of Expr }

func (n negation) Eval(row wal.Row) Truth { return n.of.Eval(row).not() }
func (n negation) Key() string            { return "(not " + n.of.Key() + ")" }
