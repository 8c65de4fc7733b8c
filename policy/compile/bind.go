package compile

import (
	"walcast/filters"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// binding makes conditions of policies for one relation and one subject. Its error is
// sql.ErrUncertain for any expression that it may not judge as Postgres does.
type binding struct{ Source }

// condition binds a boolean expression. An expression without columns is evaluated.
func (b *binding) condition(e sql.Expression) (condition, error) {
	if v, err := b.Environment.Boolean(e); err == nil {
		return fixed(truthOf(v)), nil
	}
	switch e := e.(type) {
	case sql.Column:
		return b.comparison("=", e, sql.True())
	case sql.Not:
		c, err := b.condition(e.Arg)
		return negation{c}, err
	case sql.Logic:
		return b.logic(e)
	case sql.Is:
		return b.is(e)
	case sql.Binary:
		return b.binary(e)
	case sql.AnyOf:
		return b.anyOf(e)
	}
	return nil, sql.ErrUncertain
}

func truthOf(v sql.Value) filters.Truth {
	switch {
	case v.Null():
		return filters.Unknown
	case v.Text() == "true":
		return filters.True
	}
	return filters.False
}

func (b *binding) logic(e sql.Logic) (condition, error) {
	operands := make([]condition, len(e.Items))
	for i, item := range e.Items {
		var err error
		if operands[i], err = b.condition(item); err != nil {
			return nil, err
		}
	}
	if e.Or {
		return either(operands), nil
	}
	return both(operands), nil
}

func (b *binding) is(e sql.Is) (condition, error) {
	var of condition
	set := map[string]truths{"null": setUnknown, "unknown": setUnknown, "true": setTrue, "false": setFalse}[e.What]
	if e.Negate {
		set = setAll &^ set
	}
	if column, ok := e.Arg.(sql.Column); ok && e.What == "null" {
		i, err := b.column(column.Name)
		if err != nil {
			return nil, err
		}
		if kind := b.Relation.Columns[i].Type.Underlying().Kind; kind == wal.KindComposite || kind == wal.KindUnknown {
			return nil, sql.ErrUncertain // a row of NULLs is NULL too
		}
		if e.Negate {
			return negation{missing{i}}, nil
		}
		return missing{i}, nil
	}
	of, err := b.condition(e.Arg)
	return oneOf{set, of}, err
}

func (b *binding) column(name string) (int, error) {
	i := b.Relation.Column(name)
	if i < 0 { // not published: a column list, a generated or a system column
		return 0, sql.ErrUncertain
	}
	return i, nil
}

func (b *binding) binary(e sql.Binary) (condition, error) {
	left, right, op := e.Left, e.Right, e.Op
	v, err := b.Environment.Evaluate(right)
	if err != nil {
		if v, err = b.Environment.Evaluate(left); err != nil {
			return nil, sql.ErrUncertain
		}
		left, op = right, mirrored(op)
	}
	if op == "is distinct from" {
		return b.distinct(left, v)
	}
	return b.comparison(op, left, v)
}

// mirrored is the operator with its operands exchanged.
func mirrored(op string) string {
	if m, ok := map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<="}[op]; ok {
		return m
	}
	return op
}

func (b *binding) distinct(left sql.Expression, v sql.Value) (condition, error) {
	equal, err := b.comparison("=", left, v)
	if err != nil {
		return nil, err
	}
	if !v.Null() {
		return oneOf{setFalse | setUnknown, equal}, nil
	}
	side, err := b.side(left)
	return negation{missing{side.column}}, err
}

func (b *binding) anyOf(e sql.AnyOf) (condition, error) {
	items, err := b.Environment.Evaluate(e.Array)
	if err != nil {
		return nil, err
	}
	array, ok := items.Items()
	if !ok {
		return nil, sql.ErrUncertain
	}
	var found either
	var in anyOf
	for _, item := range array {
		c, err := b.comparison("=", e.Left, item)
		if err != nil {
			return nil, err
		}
		if one, ok := c.(comparison); ok {
			in.column, in.values = one.column, append(in.values, one.value)
			continue
		}
		found = append(found, c)
	}
	if len(in.values) > 0 {
		found = append(found, in)
	}
	return found, nil
}

// comparison compares a column, possibly cast, with a value.
func (b *binding) comparison(op string, left sql.Expression, v sql.Value) (condition, error) {
	side, err := b.side(left)
	if err != nil {
		return nil, err
	}
	operator, ok := map[string]filters.Operator{
		"=": filters.Eq, "<>": filters.Neq, "<": filters.Lt, "<=": filters.Lte, ">": filters.Gt, ">=": filters.Gte,
	}[op]
	if !ok || !v.Scalar() || !side.accepts(v) || side.equalOnly && operator != filters.Eq && operator != filters.Neq {
		return nil, sql.ErrUncertain
	}
	if v.Null() {
		return fixed(filters.Unknown), nil
	}
	text, possible := side.read(v)
	if possible {
		return comparison{side.column, operator, text}, nil
	}
	// The column cannot hold the value: for NULL the comparison is unknown, and all
	// other values are different.
	unknown := both{missing{side.column}, fixed(filters.Unknown)}
	if operator == filters.Eq {
		return unknown, nil
	}
	return either{negation{missing{side.column}}, unknown}, nil
}
