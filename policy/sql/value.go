package policy

import (
	"cmp"
	"strconv"
	"strings"
)

// family is a set of types between which comparing is certain.
type family uint8

const (
	familyOther   family = iota // enums and all that is not known here; told apart by typ
	familyUnknown               // a literal that nothing has given a type
	familyText
	familyName
	familyUUID
	familyInt
	familyNumeric
	familyFloat
	familyBool
	familyDate
	familyTimestamp
	familyTimestampTZ
	familyJSON
	familyJSONB
)

// familyOf reads the names that format_type and people use.
func familyOf(t typeName) family {
	switch t {
	case "text", "character varying", "varchar":
		return familyText
	case "name":
		return familyName
	case "uuid":
		return familyUUID
	case "smallint", "integer", "bigint", "int2", "int4", "int8", "int":
		return familyInt
	case "numeric", "decimal":
		return familyNumeric
	case "double precision", "float8":
		return familyFloat
	case "boolean", "bool":
		return familyBool
	case "date":
		return familyDate
	case "timestamp without time zone":
		return familyTimestamp
	case "timestamp with time zone", "timestamptz":
		return familyTimestampTZ
	case "json":
		return familyJSON
	case "jsonb":
		return familyJSONB
	}
	return familyOther
}

// intBits is the width of an integer type.
func intBits(t typeName) int {
	switch t {
	case "smallint", "int2":
		return 16
	case "bigint", "int8":
		return 64
	}
	return 32
}

// value is what an expression without columns is for one subject.
type value struct {
	family family
	typ    typeName // of familyOther
	null   bool
	text   string    // canonical, as the type prints it
	doc    *document // of json and jsonb
	items  []value   // of arrays
	array  bool
	unset  bool // a setting that nobody made: NULL, or '' where it was set once
}

func nullOf(t typeName) value { return value{family: familyOf(t), typ: t, null: true} }

func truth(b bool) value { return value{family: familyBool, text: strconv.FormatBool(b)} }

// textual reports whether the value is a string, typed or not.
func (v value) textual() bool {
	return !v.array && (v.family == familyText || v.family == familyName || v.family == familyUnknown)
}

// isUUID reports whether s is written as Postgres prints one, in either case.
// The other spellings are left to Postgres.
func isUUID(s string) bool {
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
func (v value) cast(t typeName) (value, error) {
	if v.unset {
		return value{}, errUncertain
	}
	if v.null && !v.array {
		return nullOf(t), nil
	}
	if t.isArray() {
		return v.castArray(t)
	}
	if v.array {
		return value{}, errUncertain
	}
	to := value{family: familyOf(t), typ: t, text: v.text}
	switch {
	case to.family == familyJSON || to.family == familyJSONB:
		return v.castJSON(to)
	case v.family == familyJSONB && to.family == familyBool && (v.doc.kind == 't' || v.doc.kind == 'f'):
		to.text = v.doc.text
		return to, nil
	case v.family == familyJSON || v.family == familyJSONB:
		return value{}, errUncertain
	case v.textual():
		return v.castText(to)
	case to.family == v.family && to.family != familyOther && to.family != familyInt:
		return to, nil
	case v.family == familyInt:
		return v.castInt(to)
	case v.family == familyNumeric && to.family == familyFloat && len(v.text) <= 15:
		return to, nil
	case to.family == familyText && (v.family == familyUUID || v.family == familyBool || v.family == familyNumeric):
		return to, nil
	}
	return value{}, errUncertain
}

// castText reads a string as another type, where it is in the form in which
// that type is printed.
func (v value) castText(to value) (value, error) {
	literal := v.family == familyUnknown
	ok := false
	switch to.family {
	case familyText, familyName:
		ok = to.family == familyText || len(v.text) < 64 // names are cut
	case familyUUID:
		ok = isUUID(v.text)
		to.text = strings.ToLower(v.text)
	case familyInt:
		ok = canonicalInt(v.text, intBits(to.typ))
	case familyNumeric:
		ok = isDecimal(v.text)
	case familyFloat:
		ok = literal && isDecimal(v.text) && len(v.text) <= 15
	case familyBool:
		ok = v.text == "true" || v.text == "false"
	case familyDate, familyTimestamp, familyTimestampTZ:
		ok = literal // as Postgres printed it; a claim's spelling depends on settings
	case familyOther:
		ok = true // only an enum column will take it, which knows its labels
	}
	if !ok {
		return value{}, errUncertain
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

// canonicalInt reports whether s is a whole number as Postgres prints it.
func canonicalInt(s string, bits int) bool {
	n, err := strconv.ParseInt(s, 10, bits)
	return err == nil && strconv.FormatInt(n, 10) == s
}

func (v value) castInt(to value) (value, error) {
	switch to.family {
	case familyInt:
		if !canonicalInt(v.text, intBits(to.typ)) {
			return value{}, errUncertain
		}
		return to, nil
	case familyNumeric, familyText:
		return to, nil
	case familyFloat:
		if len(v.text) <= 15 {
			return to, nil
		}
	}
	return value{}, errUncertain
}

func (v value) castJSON(to value) (value, error) {
	switch {
	case v.family == familyJSON || v.family == familyJSONB:
		to.doc, to.text = v.doc, ""
		return to, nil
	case v.textual() && v.family != familyName:
		doc, err := parseDocument(v.text)
		to.doc, to.text = doc, ""
		return to, err
	}
	return value{}, errUncertain
}

// castArray converts between arrays, and reads the simplest literals.
func (v value) castArray(t typeName) (value, error) {
	to := value{family: familyOf(t.element()), typ: t.element(), array: true}
	items := v.items
	if !v.array {
		if v.family != familyUnknown {
			return value{}, errUncertain
		}
		var ok bool
		if items, ok = arrayLiteral(v.text); !ok {
			return value{}, errUncertain
		}
	}
	for _, item := range items {
		converted, err := item.cast(t.element())
		if err != nil {
			return value{}, err
		}
		to.items = append(to.items, converted)
	}
	return to, nil
}

// arrayLiteral reads '{a,b}' without quotes, escapes, spaces or dimensions.
func arrayLiteral(s string) ([]value, bool) {
	inner, ok := strings.CutPrefix(s, "{")
	if inner, ok = strings.CutSuffix(inner, "}"); !ok || !strings.HasPrefix(s, "{") || strings.ContainsAny(inner, "{}\"\\ \t\r\n\v\f") {
		return nil, false
	}
	if inner == "" {
		return nil, true
	}
	var items []value
	for part := range strings.SplitSeq(inner, ",") {
		if part == "" {
			return nil, false
		}
		items = append(items, value{family: familyUnknown, text: part, null: strings.EqualFold(part, "null")})
	}
	return items, true
}

// compare is one of = <> < <= > >=; ok is false where a collation decides or
// the types do not go together.
func compare(op string, a, b value) (value, error) {
	if a.unset || b.unset || a.array || b.array {
		return value{}, errUncertain
	}
	order, err := a.order(b)
	if err != nil {
		return value{}, err
	}
	if a.null || b.null {
		return nullOf("boolean"), nil
	}
	if order.equalOnly && op != "=" && op != "<>" {
		return value{}, errUncertain
	}
	holds, ok := map[string]bool{
		"=": order.sign == 0, "<>": order.sign != 0, "<": order.sign < 0,
		"<=": order.sign <= 0, ">": order.sign > 0, ">=": order.sign >= 0,
	}[op]
	if !ok {
		return value{}, errUncertain
	}
	return truth(holds), nil
}

// ordering is how two values compare.
type ordering struct {
	sign      int
	equalOnly bool // the sign tells only whether they are equal
}

func (v value) order(o value) (ordering, error) {
	switch {
	case v.textual() && o.textual():
		return ordering{strings.Compare(v.text, o.text), true}, nil
	case v.family == familyUnknown || o.family == familyUnknown:
		if v.null || o.null {
			return ordering{}, nil
		}
	case v.family == o.family && (v.family == familyUUID || v.family == familyBool):
		return ordering{strings.Compare(v.text, o.text), false}, nil
	case v.family == familyInt && o.family == familyInt:
		a, _ := strconv.ParseInt(v.text, 10, 64)
		b, _ := strconv.ParseInt(o.text, 10, 64)
		return ordering{sign: cmp.Compare(a, b)}, nil
	}
	return ordering{}, errUncertain
}
