package protocol

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// value is one JSON value as raw text, valid and without space around it. It
// is walked over in place, as decoding into Go values would change the spelling
// of numbers and the order of keys.
type value []byte

// parse checks that data is one JSON value in UTF-8. Names may repeat: upstream
// accepts that. Values nested deeper than 10,000 are refused by jsontext.
func parse(data []byte) (value, bool) {
	if !jsontext.Value(data).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, false
	}
	return value(bytes.Trim(data, " \t\r\n")), true
}

// IsJSON says whether data is one JSON value that can be sent to clients: in
// UTF-8, and without escapes that are no characters.
func IsJSON(data []byte) bool {
	_, ok := parse(data)
	return ok
}

// kind is '{', '[', '"', 't', 'f', 'n' (null) or '0' (any number); 0 without a
// value.
func (v value) kind() byte {
	if len(v) == 0 {
		return 0
	}
	if c := v[0]; c == '-' || '0' <= c && c <= '9' {
		return '0'
	}
	return v[0]
}

// isNull says whether the value is null or absent.
func (v value) isNull() bool { return len(v) == 0 || v[0] == 'n' }

// stringBytes is the content of a string, nil for any other value. It may be
// part of v.
func (v value) stringBytes() []byte {
	if v.kind() != '"' {
		return nil
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	content, _ := jsontext.AppendUnquote(nil, []byte(v)) // v is a valid string
	return content
}

// text is the content of a string, and whether the value is one.
func (v value) text() (string, bool) {
	return string(v.stringBytes()), v.kind() == '"'
}

// members walks over an object; over nothing for any other value.
func (v value) members() walk { return v.content('{') }

// elements walks over an array; over nothing for any other value.
func (v value) elements() walk { return v.content('[') }

func (v value) content(kind byte) walk {
	if v.kind() != kind {
		return walk{}
	}
	return walk{v[1 : len(v)-1]}
}

// walk is the way through the content of an object or array.
type walk struct{ rest []byte }

// next is the next element of an array; nil at the end.
func (w *walk) next() value {
	for i, c := range w.rest {
		switch c {
		case ' ', '\t', '\r', '\n', ',', ':':
			continue
		}
		n := extent(w.rest[i:])
		v := w.rest[i : i+n]
		w.rest = w.rest[i+n:]
		return v
	}
	w.rest = nil
	return nil
}

// member is the next member of an object; a nil value at the end.
func (w *walk) member() (name []byte, v value) {
	quoted := w.next()
	if quoted == nil {
		return nil, nil
	}
	return quoted.stringBytes(), w.next()
}

// extent is the length of the value at the start of valid JSON.
func extent(data []byte) int {
	switch data[0] {
	case '"':
		return stringExtent(data)
	case '{', '[':
		return nestedExtent(data)
	}
	for i, c := range data {
		switch c {
		case ',', ':', '}', ']', ' ', '\t', '\r', '\n':
			return i
		}
	}
	return len(data)
}

func stringExtent(data []byte) int {
	i := 1
	for {
		j := bytes.IndexByte(data[i:], '"')
		if j < 0 {
			return len(data) // not in valid JSON
		}
		end := i + j
		escapes := 0
		for data[end-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return end + 1
		}
		i = end + 1
	}
}

func nestedExtent(data []byte) int {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i += stringExtent(data[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(data) // not in valid JSON
}

// appendQuoted writes s as a JSON string.
func appendQuoted[Bytes ~[]byte | ~string](dst []byte, s Bytes) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			// The error says that invalid UTF-8 became U+FFFD, as it should.
			dst, _ = jsontext.AppendQuote(dst, s)
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
