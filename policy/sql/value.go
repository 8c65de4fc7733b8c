package sql

import (
	"cmp"
	"strconv"
	"strings"

	"walcast/internal/pgarray"
)

// Family is a set of types between which comparing is certain.
type Family uint8

// The families.
const (
	FamilyOther   Family = iota // enums and all that is not known here; told apart by name
	FamilyUnknown               // a literal that nothing has given a type
	FamilyText
	FamilyName
	FamilyUUID
	FamilyInt
	FamilyNumeric
	FamilyFloat
	FamilyBool
	FamilyDate
	FamilyTimestamp
	FamilyTimestampTZ
	FamilyJSON
	FamilyJSONB
)

// FamilyOf reads the names that format_type and people use.
func FamilyOf(t TypeName) Family {
	switch t {
	case "text", "character varying", "varchar":
		return FamilyText
	case "name":
		return FamilyName
	case "uuid":
		return FamilyUUID
	case "smallint", "integer", "bigint", "int2", "int4", "int8", "int":
		return FamilyInt
	case "numeric", "decimal":
		return FamilyNumeric
	case "double precision", "float8":
		return FamilyFloat
	case "boolean", "bool":
		return FamilyBool
	case "date":
		return FamilyDate
	case "timestamp without time zone":
		return FamilyTimestamp
	case "timestamp with time zone", "timestamptz":
		return FamilyTimestampTZ
	case "json":
		return FamilyJSON
	case "jsonb":
		return FamilyJSONB
	}
	return FamilyOther
}

// IntBits is the width of an integer type.
func IntBits(t TypeName) int {
	switch t {
	case "smallint", "int2":
		return 16
	case "bigint", "int8":
		return 64
	}
	return 32
}

// Value is what an expression without columns is for one subject.
type Value struct {
	family Family
	typ    TypeName // of FamilyOther
	null   bool
	text   string    // canonical, as the type prints it
	doc    *document // of json and jsonb
	items  []Value   // of arrays
	array  bool
	unset  bool // a setting that was not made: NULL, or '' where it was set once
}

// Family is the set of types that the value's type is of.
func (v Value) Family() Family { return v.family }

// Type is the name of the value's type where its family is FamilyOther.
func (v Value) Type() TypeName { return v.typ }

// Null reports whether the value is NULL.
func (v Value) Null() bool { return v.null }

// Text is the value as its type prints it.
func (v Value) Text() string { return v.text }

// Scalar reports whether the value is one, and known.
func (v Value) Scalar() bool { return !v.array && !v.unset }

// Items are the elements of an array.
func (v Value) Items() (items []Value, ok bool) { return v.items, v.array }

// Textual reports whether the value is a string, typed or not.
func (v Value) Textual() bool { return v.textual() }

// True is SQL's TRUE.
func True() Value { return truth(true) }

func nullOf(t TypeName) Value { return Value{family: FamilyOf(t), typ: t, null: true} }

func truth(b bool) Value { return Value{family: FamilyBool, text: strconv.FormatBool(b)} }

func (v Value) textual() bool {
	return !v.array && (v.family == FamilyText || v.family == FamilyName || v.family == FamilyUnknown)
}

// IsUUID reports whether s is written as Postgres prints one, in either case.
// The other spellings are left to Postgres.
func IsUUID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f'):
			return false
		}
	}
	return len(s) == 36
}

// cast converts as Postgres does where that cannot raise.
func (v Value) cast(t TypeName) (Value, error) {
	if v.unset {
		return Value{}, ErrUncertain
	}
	if v.null && !v.array {
		if FamilyOf(t.element()) == FamilyOther { // a domain may refuse NULL
			return Value{}, ErrUncertain
		}
		return nullOf(t), nil
	}
	if t.isArray() {
		return v.castArray(t)
	}
	if v.array {
		return Value{}, ErrUncertain
	}
	to := Value{family: FamilyOf(t), typ: t, text: v.text}
	switch {
	case to.family == FamilyJSON || to.family == FamilyJSONB:
		return v.castJSON(to)
	case v.family == FamilyJSONB && to.family == FamilyBool && (v.doc.kind == 't' || v.doc.kind == 'f'):
		to.text = v.doc.text
		return to, nil
	case v.family == FamilyJSON || v.family == FamilyJSONB:
		return Value{}, ErrUncertain
	case v.textual():
		return v.castText(to)
	case to.family == v.family && to.family != FamilyOther && to.family != FamilyInt:
		return to, nil
	case v.family == FamilyInt:
		return v.castInt(to)
	case v.family == FamilyNumeric && to.family == FamilyFloat && len(v.text) <= 15:
		return to, nil
	case to.family == FamilyText && (v.family == FamilyUUID || v.family == FamilyBool || v.family == FamilyNumeric):
		return to, nil
	}
	return Value{}, ErrUncertain
}

// castText reads a string as another type, where it is in the form in which
// that type is printed.
func (v Value) castText(to Value) (Value, error) {
	literal := v.family == FamilyUnknown
	ok := false
	switch to.family {
	case FamilyText, FamilyName:
		ok = to.family == FamilyText || len(v.text) < 64 // names are cut
	case FamilyUUID:
		ok = IsUUID(v.text)
		to.text = strings.ToLower(v.text)
	case FamilyInt:
		ok = IsInteger(v.text, IntBits(to.typ))
	case FamilyNumeric:
		ok = isDecimal(v.text)
	case FamilyFloat:
		ok = literal && isDecimal(v.text) && len(v.text) <= 15
	case FamilyBool:
		ok = v.text == "true" || v.text == "false"
	case FamilyDate, FamilyTimestamp, FamilyTimestampTZ:
		ok = literal // as Postgres printed it; a claim's spelling depends on settings
	case FamilyOther:
		ok = true // only an enum column will take it, which knows its labels
	}
	if !ok {
		return Value{}, ErrUncertain
	}
	return to, nil
}

// isDecimal reports whether s is a number as numeric prints it.
func isDecimal(s string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if whole == "" || len(whole) > 1 && whole[0] == '0' || point && fraction == "" {
		return false
	}
	return strings.Trim(whole+fraction, "0123456789") == "" && plainNumber(s)
}

// IsInteger reports whether s is a whole number as Postgres prints it.
func IsInteger(s string, bits int) bool {
	n, err := strconv.ParseInt(s, 10, bits)
	return err == nil && strconv.FormatInt(n, 10) == s
}

func (v Value) castInt(to Value) (Value, error) {
	switch to.family {
	case FamilyInt:
		if !IsInteger(v.text, IntBits(to.typ)) {
			return Value{}, ErrUncertain
		}
		return to, nil
	case FamilyNumeric, FamilyText:
		return to, nil
	case FamilyFloat:
		if len(v.text) <= 15 {
			return to, nil
		}
	}
	return Value{}, ErrUncertain
}

func (v Value) castJSON(to Value) (Value, error) {
	switch {
	case v.family == FamilyJSON || v.family == FamilyJSONB:
		to.doc, to.text = v.doc, ""
		return to, nil
	case v.textual() && v.family != FamilyName:
		doc, err := parseDocument(v.text)
		to.doc, to.text = doc, ""
		return to, err
	}
	return Value{}, ErrUncertain
}

// castArray converts between arrays, and reads literals.
func (v Value) castArray(t TypeName) (Value, error) {
	to := Value{family: FamilyOf(t.element()), typ: t.element(), array: true}
	items := v.items
	if !v.array {
		if v.family != FamilyUnknown {
			return Value{}, ErrUncertain
		}
		var ok bool
		if items, ok = arrayLiteral(v.text); !ok {
			return Value{}, ErrUncertain
		}
	}
	for _, item := range items {
		converted, err := item.cast(t.element())
		if err != nil {
			return Value{}, err
		}
		to.items = append(to.items, converted)
	}
	return to, nil
}

// arrayLiteral reads '{a,"b c",NULL}', of one dimension at most.
func arrayLiteral(s string) ([]Value, bool) {
	parsed, err := pgarray.Parse(s, ',')
	if err != nil || parsed.Depth > 1 {
		return nil, false
	}
	items := make([]Value, len(parsed.Elements))
	for i, e := range parsed.Elements {
		items[i] = Value{family: FamilyUnknown, text: e.Text, null: e.Null}
	}
	return items, true
}

// compare is one of = <> < <= > >=; ok is false where a collation decides or
// the types do not go together.
func compare(op string, a, b Value) (Value, error) {
	if a.unset || b.unset || a.array || b.array {
		return Value{}, ErrUncertain
	}
	order, err := a.order(b)
	if err != nil {
		return Value{}, err
	}
	if a.null || b.null {
		return nullOf("boolean"), nil
	}
	if order.equalOnly && op != "=" && op != "<>" {
		return Value{}, ErrUncertain
	}
	holds, ok := map[string]bool{
		"=": order.sign == 0, "<>": order.sign != 0, "<": order.sign < 0,
		"<=": order.sign <= 0, ">": order.sign > 0, ">=": order.sign >= 0,
	}[op]
	if !ok {
		return Value{}, ErrUncertain
	}
	return truth(holds), nil
}

// ordering is how two values compare.
type ordering struct {
	sign      int
	equalOnly bool // the sign tells only whether they are equal
}

func (v Value) order(o Value) (ordering, error) {
	switch {
	case v.textual() && o.textual():
		return ordering{strings.Compare(v.text, o.text), true}, nil
	case v.family == FamilyUnknown || o.family == FamilyUnknown:
		if v.null || o.null {
			return ordering{}, nil
		}
	case v.family == o.family && (v.family == FamilyUUID || v.family == FamilyBool):
		return ordering{strings.Compare(v.text, o.text), false}, nil
	case v.family == FamilyInt && o.family == FamilyInt:
		a, _ := strconv.ParseInt(v.text, 10, 64)
		b, _ := strconv.ParseInt(o.text, 10, 64)
		return ordering{sign: cmp.Compare(a, b)}, nil
	}
	return ordering{}, ErrUncertain
}
