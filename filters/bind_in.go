package filters

import (
	"errors"
	"slices"

	"walcast/filters/datum"
	"walcast/internal/pgarray"
	"walcast/replication/wal"
)

// maxMembers is how many values upstream allows in a list.
const maxMembers = 100

// in binds a list of values, an array literal of the column's type.
func (b *binder) in(o *operand, c *Condition) (Expr, error) {
	if o.typ.Kind == wal.KindArray && o.typ.Element != nil {
		// There are no arrays of arrays: the list would be one of elements.
		return nil, NewBindError("42883", "operator does not exist: "+typeName(o.typ)+" = "+typeName(o.typ.Element))
	}
	typ := datum.Of(o.typ, b.Options)
	if typ == nil {
		return b.leaveMembers(o, c), nil
	}
	m, err := b.members(o, typ, c)
	switch {
	case errors.Is(err, datum.ErrUncertain):
		b.read(o, c, true)
		return b.leave(o, c, DoubtLiteral), nil
	case err != nil:
		return nil, bindError(err)
	}
	e := &comparison{operand: o, op: In, literal: c.Value, onNull: Unknown, test: m}
	if len(m.keys) == 0 && !m.null {
		e.onNull = False // NULL may be in any list but this
	}
	return e, nil
}

// members reads the list, from the reading of it if there is one.
func (b *binder) members(o *operand, typ datum.Type, c *Condition) (membership, error) {
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
				err = datum.ErrUncertain // another value may break a constraint before
			}
			return membership{}, err
		}
		// A list that is too long is read for its mistakes only, which are told first.
		if list.Length <= maxMembers && !slices.Contains(m.keys, v.Key) {
			m.keys = append(m.keys, v.Key)
		}
	}
	if list.Length > maxMembers {
		return membership{}, raised("too many values for `in` filter. Maximum 100")
	}
	return m, nil
}

// leaveMembers leaves a list of a type that Go does not know, and has Resolve
// try its first value: the type may have no equality.
func (b *binder) leaveMembers(o *operand, c *Condition) Expr {
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
	b.inquiries = append(b.inquiries, inquiry{question: e.question(list.Elements[first].Text), condition: c})
	return e
}
