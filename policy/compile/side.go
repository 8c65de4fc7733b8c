package compile

import (
	"slices"
	"strings"

	"walcast/policy/sql"
	"walcast/replication/wal"
)

// side is the side of a comparison that has the column.
type side struct {
	column int
	typ    *wal.Type // without domains
	family sql.Family
	// printed is set for column::text of a type that is not text: the other side is
	// compared with the text of the column's value.
	printed bool
	// equalOnly allows only = and <>, as the order depends on a collation or is not
	// supported here.
	equalOnly bool
}

// side reads a column, at most cast once to a type that changes nothing.
func (b *binding) side(e sql.Expression) (side, error) {
	var to sql.TypeName
	if c, ok := e.(sql.Cast); ok {
		e, to = c.Arg, c.Type
	}
	column, ok := e.(sql.Column)
	if !ok {
		return side{}, sql.ErrUncertain
	}
	i, err := b.column(column.Name)
	if err != nil {
		return side{}, err
	}
	s := side{column: i, typ: b.Relation.Columns[i].Type.Underlying()}
	s.family = familyOfType(s.typ)
	s.equalOnly = slices.Contains([]sql.Family{sql.FamilyText, sql.FamilyName, sql.FamilyOther, sql.FamilyUUID, sql.FamilyBool}, s.family)
	// Some texts that differ are equal under a nondeterministic collation.
	textual := s.family == sql.FamilyText || s.family == sql.FamilyName
	if textual && !b.Column(column.Name).Deterministic || s.family == sql.FamilyOther && s.typ.Kind != wal.KindEnum {
		return side{}, sql.ErrUncertain
	}
	if to == "" {
		return s, nil
	}
	return s.cast(to)
}

// familyOfType is the family of a column's type.
func familyOfType(t *wal.Type) sql.Family {
	if t.Schema != "pg_catalog" || t.Kind != wal.KindBase {
		return sql.FamilyOther
	}
	f := sql.FamilyOf(sql.TypeName(t.Name))
	switch t.Name {
	case "timestamp":
		return sql.FamilyTimestamp
	case "json", "jsonb":
		return sql.FamilyOther // not compared
	}
	return f
}

func (s side) cast(to sql.TypeName) (side, error) {
	target := sql.FamilyOf(to)
	switch {
	case s.family == sql.FamilyText && target == sql.FamilyText:
		return s, nil
	case s.family == sql.FamilyInt && target == sql.FamilyInt && sql.IntBits(to) >= s.bits(), s.family == sql.FamilyInt && target == sql.FamilyNumeric:
		return s, nil
	case target == sql.FamilyText && (s.family == sql.FamilyUUID || s.family == sql.FamilyInt || s.family == sql.FamilyOther):
		s.printed, s.equalOnly = true, true
		return s, nil
	}
	return side{}, sql.ErrUncertain
}

func (s side) bits() int { return sql.IntBits(sql.TypeName(s.typ.Name)) }

// accepts reports whether a comparison with v is supported.
func (s side) accepts(v sql.Value) bool {
	switch {
	case s.printed:
		return v.Family() == sql.FamilyText || v.Family() == sql.FamilyUnknown
	case s.family == sql.FamilyText || s.family == sql.FamilyName:
		return v.Textual()
	case s.family == sql.FamilyOther:
		return v.Type() == sql.TypeName(sql.Qualified(s.typ.Schema, s.typ.Name)) && (v.Null() || slices.Contains(s.typ.Labels, v.Text()))
	case s.family == sql.FamilyInt:
		return v.Family() == sql.FamilyInt && (v.Null() || sql.IsInteger(v.Text(), s.bits()))
	case s.family == sql.FamilyNumeric:
		return v.Family() == sql.FamilyInt || v.Family() == sql.FamilyNumeric
	}
	return v.Family() == s.family
}

// read returns the literal to compare the column with. It is not possible if no value
// of the column can equal v.
func (s side) read(v sql.Value) (text string, possible bool) {
	if !s.printed {
		// A name is shorter than 64 bytes. A longer text is not truncated when it is
		// compared with a name, as it would be when it is read as a name.
		return v.Text(), s.family != sql.FamilyName || len(v.Text()) < 64
	}
	switch s.family {
	case sql.FamilyUUID:
		possible = sql.IsUUID(v.Text()) && strings.ToLower(v.Text()) == v.Text()
	case sql.FamilyInt:
		possible = sql.IsInteger(v.Text(), s.bits())
	default:
		possible = slices.Contains(s.typ.Labels, v.Text())
	}
	return v.Text(), possible
}
