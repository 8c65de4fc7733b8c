package policy

import (
	"walcast/filters"
	"walcast/replication"
)

// binding makes a condition of a policy: for one relation and one subject. It
// is where types meet: whatever it is not certain to judge as Postgres does
// is errUncertain.
type binding struct {
	environment
	relation *replication.Relation
	// collated reports columns whose collation may call different texts equal.
	collated func(column string) bool
}

// condition binds a boolean expression. What has no columns is evaluated.
func (b *binding) condition(e expression) (condition, error) {
	if v, err := b.boolean(e); err == nil {
		return fixed(truthOf(v)), nil
	}
	switch e := e.(type) {
	case columnRef:
		return b.comparison("=", e, truth(true))
	case not:
		c, err := b.condition(e.arg)
		return negation{c}, err
	case logic:
		return b.logic(e)
	case is:
		return b.is(e)
	case binary:
		return b.binary(e)
	case anyOf:
		return b.anyOf(e)
	}
	return nil, errUncertain
}

func truthOf(v value) filters.Truth {
	switch {
	case v.null:
		return filters.Unknown
	case v.text == "true":
		return filters.True
	}
	return filters.False
}

func (b *binding) logic(e logic) (condition, error) {
	operands := make([]condition, len(e.items))
	for i, item := range e.items {
		var err error
		if operands[i], err = b.condition(item); err != nil {
			return nil, err
		}
	}
	if e.or {
		return either(operands), nil
	}
	return both(operands), nil
}

func (b *binding) is(e is) (condition, error) {
	var of condition
	set := map[string]truths{"null": setUnknown, "unknown": setUnknown, "true": setTrue, "false": setFalse}[e.what]
	if e.negate {
		set = setAll &^ set
	}
	if column, ok := e.arg.(columnRef); ok && e.what == "null" {
		i, err := b.column(column.name)
		if err != nil {
			return nil, err
		}
		if kind := b.relation.Columns[i].Type.Underlying().Kind; kind == replication.KindComposite || kind == replication.KindUnknown {
			return nil, errUncertain // a row of NULLs is NULL too
		}
		if e.negate {
			return negation{missing{i}}, nil
		}
		return missing{i}, nil
	}
	of, err := b.condition(e.arg)
	return oneOf{set, of}, err
}

func (b *binding) column(name string) (int, error) {
	i := b.relation.Column(name)
	if i < 0 { // not published: a column list, a generated or a system column
		return 0, errUncertain
	}
	return i, nil
}

func (b *binding) binary(e binary) (condition, error) {
	left, right, op := e.left, e.right, e.op
	v, err := b.evaluate(right)
	if err != nil {
		if v, err = b.evaluate(left); err != nil {
			return nil, errUncertain
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

func (b *binding) distinct(left expression, v value) (condition, error) {
	equal, err := b.comparison("=", left, v)
	if err != nil {
		return nil, err
	}
	if !v.null {
		return oneOf{setFalse | setUnknown, equal}, nil
	}
	side, err := b.side(left)
	return negation{missing{side.column}}, err
}

func (b *binding) anyOf(e anyOf) (condition, error) {
	items, err := b.evaluate(e.array)
	if err != nil {
		return nil, err
	}
	if !items.array {
		return nil, errUncertain
	}
	var found either
	var in member
	for _, item := range items.items {
		c, err := b.comparison("=", e.left, item)
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
func (b *binding) comparison(op string, left expression, v value) (condition, error) {
	side, err := b.side(left)
	if err != nil {
		return nil, err
	}
	operator, ok := map[string]filters.Operator{
		"=": filters.Eq, "<>": filters.Neq, "<": filters.Lt, "<=": filters.Lte, ">": filters.Gt, ">=": filters.Gte,
	}[op]
	if !ok || v.array || v.unset || !side.accepts(v) || side.equalOnly && operator != filters.Eq && operator != filters.Neq {
		return nil, errUncertain
	}
	if v.null {
		return fixed(filters.Unknown), nil
	}
	text, possible := side.read(v)
	if possible {
		return comparison{side.column, operator, text}, nil
	}
	// Nothing that the column holds prints like this: NULL stays unknown, and
	// all else is different.
	unknown := both{missing{side.column}, fixed(filters.Unknown)}
	if operator == filters.Eq {
		return unknown, nil
	}
	return either{negation{missing{side.column}}, unknown}, nil
}
