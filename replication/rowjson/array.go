package rowjson

import (
	"strings"

	"walcast/internal/pgarray"
	"walcast/replication/wal"
)

// appendArray appends {1,NULL,{"a b"}} as a JSON array. Lower bounds that are
// not 1 stand in front, [0:1]={7,8}, and are dropped. It is false when the
// text is not well-formed.
func (e Encoding) appendArray(dst []byte, t *wal.Type, text string) ([]byte, bool) {
	if strings.HasPrefix(text, "[") {
		_, text, _ = strings.Cut(text, "=")
	}
	delimiter := t.Delimiter
	if delimiter == 0 {
		delimiter = ','
	}
	element := t.Element.Underlying()
	f := formOf(element)
	isNext := false // something stands before it in the same array
	for r := pgarray.NewReader(text, delimiter); ; {
		token, err := r.Next()
		if err != nil {
			return dst, false
		}
		if isNext && (token.Kind != pgarray.Close && token.Kind != pgarray.End) {
			dst = append(dst, ',')
		}
		isNext = token.Kind != pgarray.Open
		switch token.Kind {
		case pgarray.End:
			return dst, true
		case pgarray.Open:
			dst = append(dst, '[')
		case pgarray.Close:
			dst = append(dst, ']')
		case pgarray.Null:
			dst = append(dst, "null"...)
		case pgarray.Item:
			dst = e.appendElement(dst, element, f, token.Text)
		}
	}
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
