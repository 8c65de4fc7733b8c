package rowjson

import (
	"strings"

	"walcast/replication/wal"
)

// appendComposite appends (1,"a ""b""",) as an object with the names of the
// type's fields. It is false when the text is not well-formed or has another
// number of fields, as when the type was altered since its definition was read.
func (e Encoding) appendComposite(dst []byte, t *wal.Type, text string) ([]byte, bool) {
	rest, ok := strings.CutPrefix(text, "(")
	if !ok {
		return dst, false
	}
	dst = append(dst, '{')
	for i, field := range t.Fields {
		if i > 0 {
			if rest, ok = strings.CutPrefix(rest, ","); !ok {
				return dst, false
			}
			dst = append(dst, ',')
		}
		dst = appendString(dst, field.Name)
		dst = append(dst, ':')
		if dst, rest, ok = e.appendField(dst, field.Type.Underlying(), rest); !ok {
			return dst, false
		}
	}
	return append(dst, '}'), rest == ")"
}

// appendField appends the field that rest begins with. Nothing at all is null,
// "" is the empty text.
func (e Encoding) appendField(dst []byte, t *wal.Type, rest string) (_ []byte, behind string, ok bool) {
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		text, behind, ok := unquote(quoted, true)
		return e.appendElement(dst, t, formOf(t), text), behind, ok
	}
	end := strings.IndexAny(rest, ",)")
	if end < 0 {
		return dst, "", false
	}
	if end == 0 {
		return append(dst, "null"...), rest, true
	}
	return e.appendElement(dst, t, formOf(t), rest[:end]), rest[end:], true
}
