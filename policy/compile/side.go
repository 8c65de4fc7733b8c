package policy

import (
	"slices"
	"strings"

	"walcast/replication"
)

// side is the column's side of a comparison.
type side struct {
	column int
	typ    *replication.Type // without domains
	family family
	// printed is set for column::text of a type that is not text: what the
	// other side is compared with is how the column prints.
	printed bool
	// equalOnly allows only = and <>: order is up to a collation, or not worth it.
	equalOnly bool
}

// side reads a column, at most cast once to a type that changes nothing.
func (b *binding) side(e expression) (side, error) {
	var to typeName
	if c, ok := e.(cast); ok {
		e, to = c.arg, c.typ
	}
	column, ok := e.(columnRef)
	if !ok {
		return side{}, errUncertain
	}
	i, err := b.column(column.name)
	if err != nil {
		return side{}, err
	}
	s := side{column: i, typ: b.relation.Columns[i].Type.Underlying()}
	s.family = familyOfType(s.typ)
	s.equalOnly = slices.Contains([]family{familyText, familyName, familyOther, familyUUID, familyBool}, s.family)
	// Some texts that differ are equal under a nondeterministic collation.
	textual := s.family == familyText || s.family == familyName
	if textual && b.collated(column.name) || s.family == familyOther && s.typ.Kind != replication.KindEnum {
		return side{}, errUncertain
	}
	if to == "" {
		return s, nil
	}
	return s.cast(to)
}

// familyOfType is the family of a column's type.
func familyOfType(t *replication.Type) family {
	if t.Schema != "pg_catalog" || t.Kind != replication.KindBase {
		return familyOther
	}
	f := familyOf(typeName(t.Name))
	switch t.Name {
	case "timestamp":
		return familyTimestamp
	case "json", "jsonb":
		return familyOther // not compared
	}
	return f
}

func (s side) cast(to typeName) (side, error) {
	target := familyOf(to)
	switch {
	case s.family == familyText && target == familyText:
		return s, nil
	case s.family == familyInt && target == familyInt && intBits(to) >= s.bits(), s.family == familyInt && target == familyNumeric:
		return s, nil
	case target == familyText && (s.family == familyUUID || s.family == familyInt || s.family == familyOther):
		s.printed, s.equalOnly = true, true
		return s, nil
	}
	return side{}, errUncertain
}

func (s side) bits() int { return intBits(typeName(s.typ.Name)) }

// accepts reports whether comparing with v is something that is known here.
func (s side) accepts(v value) bool {
	switch {
	case s.printed:
		return v.family == familyText || v.family == familyUnknown
	case s.family == familyText || s.family == familyName:
		return v.textual()
	case s.family == familyOther:
		return v.typ == typeName(qualified(s.typ.Schema, s.typ.Name)) && (v.null || slices.Contains(s.typ.Labels, v.text))
	case s.family == familyInt:
		return v.family == familyInt && (v.null || canonicalInt(v.text, s.bits()))
	case s.family == familyNumeric:
		return v.family == familyInt || v.family == familyNumeric
	}
	return v.family == s.family
}

// read gives the literal to compare the column with; possible is false when no
// value of the column prints like it.
func (s side) read(v value) (text string, possible bool) {
	if !s.printed {
		return v.text, true
	}
	switch s.family {
	case familyUUID:
		possible = isUUID(v.text) && strings.ToLower(v.text) == v.text
	case familyInt:
		possible = canonicalInt(v.text, s.bits())
	default:
		possible = slices.Contains(s.typ.Labels, v.text)
	}
	return v.text, possible
}
