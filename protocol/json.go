package protocol

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// value is one JSON value as raw text, valid and without space around it. It
// stays text, as decoding into Go values would change the spelling of numbers
// and the order of keys.
type value []byte

// parse checks that data is one JSON value in UTF-8. Values nested deeper than 10,000 are refused by jsontext.
func parse(data []byte) (value, bool) {
	if !jsontext.Value(data).IsValid(lastNameWins) {
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

// pairs are the names and values of an object in order; there are none of any
// other value.
func (v value) pairs() iter.Seq2[[]byte, value] {
	return func(yield func([]byte, value) bool) {
		if v.kind() != '{' {
			return
		}
		r := newReader(v)
		defer r.close()
		r.enter()
		for {
			name := r.next()
			if name == nil || !yield(name.stringBytes(), r.next()) {
				return
			}
		}
	}
}

// elements are the elements of an array in order; there are none of any other
// value.
func (v value) elements() iter.Seq[value] {
	return func(yield func(value) bool) {
		if v.kind() != '[' {
			return
		}
		r := newReader(v)
		defer r.close()
		r.enter()
		for {
			if e := r.next(); e == nil || !yield(e) {
				return
			}
		}
	}
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
