package filters

import (
	"errors"
	"slices"

	"walcast/filters/datum"
	"walcast/internal/pgarray"
	"walcast/replication/wal"
)

// maxListValues is how many values upstream allows in a list.
const maxListValues = 100

// in binds the list of an in condition, which is an array literal of the column's
// type.
func (b *binder) in(o *operand, c *Condition) (Expr, error) {
	if o.typ.Kind == wal.KindArray && o.typ.Element != nil && o.typ.Delimiter != ' ' {
		// Postgres has no arrays of arrays, and would read the list as elements. Of
		// int2vector and oidvector, whose delimiter is a space, it has.
		return nil, NewBindError("42883", "operator does not exist: "+typeName(o.typ)+" = "+typeName(o.typ.Element))
	}
	typ := datum.Of(o.typ, b.Options)
	if typ == nil {
		return b.leaveList(o, c), nil
	}
	m, err := b.listValues(o, typ, c)
	switch {
	case errors.Is(err, datum.ErrUncertain):
		b.read(o, c, true)
		return b.leave(o, c, DoubtLiteral), nil
	case err != nil:
		return nil, bindError(err)
	}
	e := &comparison{operand: o, op: In, literal: c.Value, onNull: Unknown, test: m}
	if len(m.keys) == 0 && !m.null {
		e.onNull = False // NULL = any ('{}') is false, not unknown
	}
	return e, nil
}

// listValues reads the list, or the reading that Postgres has given of it.
func (b *binder) listValues(o *operand, typ datum.Type, c *Condition) (membership, error) {
	read := func(s string) (datum.Value, error) { return typ.In(b.spelling(o, s)) }
	text, ok := b.reading(o, c, true)
	if ok {
		read = func(s string) (datum.Value, error) {
			if v, ok := typ.Out(s); ok {
				return v, nil
			}
			return datum.Value{}, datum.ErrUncertain
		}
	} else {
		text = c.Value
	}
	list, err := datum.ParseArray(text, ',')
	if err != nil {
		return membership{}, err
	}
	m := membership{typ: typ}
	for _, element := range list.Elements {
		if element.Null {
			m.null = true
			continue
		}
		v, err := read(element.Text)
		if err != nil {
			if o.typ.Kind == wal.KindDomain {
				err = datum.ErrUncertain // Postgres may refuse an earlier value for a constraint of the domain
			}
			return membership{}, err
		}
		// Postgres reports a value that it cannot read before upstream's check sees
		// that the list is too long, so the rest of a long list is still read.
		if list.Length <= maxListValues && !slices.Contains(m.keys, v.Key) {
			m.keys = append(m.keys, v.Key)
		}
	}
	if list.Length > maxListValues {
		return membership{}, raised("too many values for `in` filter. Maximum 100")
	}
	return m, nil
}

// leaveList leaves a list of a type that Go does not know to Postgres. Resolve
// asks about its first value, as the type may have no equality operator.
func (b *binder) leaveList(o *operand, c *Condition) Expr {
	list, err := datum.ParseArray(c.Value, ',')
	first := slices.IndexFunc(list.Elements, func(e pgarray.Element) bool { return !e.Null })
	e := &comparison{operand: o, op: In, literal: c.Value, onNull: Unknown, test: asked{}, why: DoubtType}
	if err == nil && len(list.Elements) == 0 {
		e.onNull = False
	}
	if first < 0 {
		b.read(o, c, true)
		return e
	}
	b.unresolved = append(b.unresolved, unresolved{call: e.call(list.Elements[first].Text), condition: c})
	return e
}
