package rowjson

import (
	"strings"

	"walcast/replication/wal"
)

// Encoding says how values are written as JSON. The zero Encoding is that of
// Supabase Realtime.
type Encoding struct {
	// Strings writes int8 and numeric as strings, wherever they stand, for
	// clients whose numbers cannot hold them.
	Strings bool
}

// AppendValue appends a value in Postgres' text form as JSON. It allocates
// nothing for scalars. What is not of the form that the type promises becomes
// a string, so the result is always valid JSON.
func (e Encoding) AppendValue(dst []byte, t *wal.Type, text string) []byte {
	t = t.Underlying()
	return e.appendValue(dst, t, formOf(t), text)
}

// form is how the text of a type becomes JSON.
type form uint8

const (
	formString form = iota
	formNumber      // exact in a float64, or a float64 itself
	formBig         // int8 and numeric
	formBool
	formBytea
	formJSON
	formTimestamp
	formTimestampTZ
	formArray
	formVector // int2vector, oidvector: an array without braces
	formComposite
	formHstore
)

// formOf tells the form of a type that is no domain.
func formOf(t *wal.Type) form {
	switch t.OID {
	case 16:
		return formBool
	case 17:
		return formBytea
	case 20, 1700:
		return formBig
	case 21, 23, 700, 701: // not oid: to_jsonb makes that a string
		return formNumber
	case 114, 3802:
		return formJSON
	case 1114:
		return formTimestamp
	case 1184:
		return formTimestampTZ
	}
	switch {
	case t.Kind == wal.KindArray && t.Element != nil && t.Delimiter == ' ':
		return formVector
	case t.Kind == wal.KindArray && t.Element != nil:
		return formArray
	case t.Kind == wal.KindComposite:
		return formComposite
	case t.Kind == wal.KindBase && t.Name == "hstore":
		return formHstore // the one common type that has a cast to json
	}
	return formString
}

// appendValue appends a column's value.
func (e Encoding) appendValue(dst []byte, t *wal.Type, f form, text string) []byte {
	if f == formBytea {
		// Inside arrays and composites the prefix stays.
		return appendString(dst, strings.TrimPrefix(text, `\x`))
	}
	return e.appendElement(dst, t, f, text)
}

// appendElement appends a value that may stand inside another.
func (e Encoding) appendElement(dst []byte, t *wal.Type, f form, text string) []byte {
	switch f {
	case formNumber:
		return appendNumber(dst, text)
	case formBig:
		if e.Strings {
			return appendString(dst, text)
		}
		return appendNumber(dst, text)
	case formBool:
		return appendBool(dst, text)
	case formJSON:
		return appendRaw(dst, text)
	case formTimestamp, formTimestampTZ:
		return appendTimestamp(dst, text, f == formTimestampTZ)
	case formArray, formVector, formComposite, formHstore:
		return e.appendNested(dst, t, f, text)
	}
	return appendString(dst, text)
}

// appendNested takes back what it has written when the text is not well-formed.
func (e Encoding) appendNested(dst []byte, t *wal.Type, f form, text string) []byte {
	start, ok := len(dst), false
	switch f {
	case formArray:
		dst, ok = e.appendArray(dst, t, text)
	case formVector:
		dst, ok = e.appendVector(dst, t, text), true
	case formComposite:
		dst, ok = e.appendComposite(dst, t, text)
	case formHstore:
		dst, ok = appendHstore(dst, text)
	}
	if !ok {
		return appendString(dst[:start], text)
	}
	return dst
}

func appendBool(dst []byte, text string) []byte {
	switch text {
	case "t":
		return append(dst, "true"...)
	case "f":
		return append(dst, "false"...)
	}
	return appendString(dst, text)
}

// appendNumber copies a number with all its digits. NaN and the infinities,
// which JSON does not have, become strings.
func appendNumber(dst []byte, text string) []byte {
	if !isNumber(text) {
		return appendString(dst, text)
	}
	return append(dst, text...)
}

// isNumber reports whether text is a JSON number.
func isNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	whole := digits(text)
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	text = text[whole:]
	if fraction, ok := strings.CutPrefix(text, "."); ok {
		n := digits(fraction)
		if n == 0 {
			return false
		}
		text = fraction[n:]
	}
	if exponent, ok := strings.CutPrefix(text, "e"); ok {
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		n := digits(exponent)
		return n > 0 && n == len(exponent)
	}
	return text == ""
}

// digits counts the digits that text begins with.
func digits(text string) int {
	for i := range len(text) {
		if text[i]-'0' > 9 {
			return i
		}
	}
	return len(text)
}

// appendTimestamp writes "2024-02-03 04:05:06.7+00 BC" as
// "2024-02-03T04:05:06.7+00:00 BC", and leaves infinity alone.
func appendTimestamp(dst []byte, text string, zone bool) []byte {
	date, clock, ok := strings.Cut(text, " ")
	if !ok {
		return appendString(dst, text)
	}
	clock, era, isBC := strings.Cut(clock, " ")
	dst = append(dst, '"')
	dst = appendText(dst, date)
	dst = append(dst, 'T')
	dst = appendText(dst, clock)
	if n := len(clock); zone && n > 3 && (clock[n-3] == '+' || clock[n-3] == '-') {
		dst = append(dst, ":00"...)
	}
	if isBC {
		dst = append(dst, ' ')
		dst = appendText(dst, era)
	}
	return append(dst, '"')
}
