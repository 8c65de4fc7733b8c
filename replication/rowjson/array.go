package rowjson

import (
	"strings"

	"walcast/replication/wal"
)

// maxDimensions is Postgres' limit on the dimensions of an array.
const maxDimensions = 6

// arrayText is an array's text that is being read.
type arrayText struct {
	rest      string
	element   *wal.Type
	form      form
	delimiter byte
}

// appendArray appends {1,NULL,{"a b"}} as a JSON array. Lower bounds that are
// not 1 stand in front, [0:1]={7,8}, and are dropped. It is false when the
// text is not well-formed.
func (e Encoding) appendArray(dst []byte, t *wal.Type, text string) ([]byte, bool) {
	if strings.HasPrefix(text, "[") {
		_, text, _ = strings.Cut(text, "=")
	}
	a := arrayText{rest: text, element: t.Element.Underlying(), delimiter: t.Delimiter}
	a.form = formOf(a.element)
	if a.delimiter == 0 {
		a.delimiter = ','
	}
	dst, ok := e.appendDimension(dst, &a, 1)
	return dst, ok && a.rest == ""
}

func (e Encoding) appendDimension(dst []byte, a *arrayText, depth int) ([]byte, bool) {
	if depth > maxDimensions || !a.skip('{') {
		return dst, false
	}
	dst = append(dst, '[')
	if a.skip('}') {
		return append(dst, ']'), true
	}
	for ; ; dst = append(dst, ',') {
		var ok bool
		if strings.HasPrefix(a.rest, "{") {
			dst, ok = e.appendDimension(dst, a, depth+1)
		} else {
			dst, ok = e.appendItem(dst, a)
		}
		switch {
		case !ok:
			return dst, false
		case a.skip('}'):
			return append(dst, ']'), true
		case !a.skip(a.delimiter):
			return dst, false
		}
	}
}

// appendItem appends one element. Only an unquoted NULL is null.
func (e Encoding) appendItem(dst []byte, a *arrayText) ([]byte, bool) {
	if a.skip('"') {
		text, rest, ok := unquote(a.rest, false)
		a.rest = rest
		return e.appendElement(dst, a.element, a.form, text), ok
	}
	end := 0
	for end < len(a.rest) && a.rest[end] != a.delimiter && a.rest[end] != '}' {
		end++
	}
	text := a.rest[:end]
	a.rest = a.rest[end:]
	switch text {
	case "":
		return dst, false
	case "NULL":
		return append(dst, "null"...), true
	}
	return e.appendElement(dst, a.element, a.form, text), true
}

// skip reads one byte if it is b.
func (a *arrayText) skip(b byte) bool {
	if a.rest == "" || a.rest[0] != b {
		return false
	}
	a.rest = a.rest[1:]
	return true
}

// appendVector appends an int2vector or oidvector, "1 2 3".
func (e Encoding) appendVector(dst []byte, t *wal.Type, text string) []byte {
	f := formOf(t.Element)
	dst = append(dst, '[')
	for i, item := range strings.Fields(text) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.appendElement(dst, t.Element, f, item)
	}
	return append(dst, ']')
}
