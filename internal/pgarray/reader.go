// Package pgarray reads the text of Postgres' arrays: {1,NULL,{"a b"}}.
//
// It accepts what array_in accepts for sure and says of anything else that it is
// malformed; array_in knows more, such as bounds in front, [0:1]={a,b}. What
// array_out prints without bounds is always accepted. It knows nothing of the
// types of elements.
//
// Neighbours: filters and policy read literals and values of rows with it.
package pgarray

import (
	"errors"
	"strings"
)

// MaxDepth is Postgres' MAXDIM.
const MaxDepth = 6

// The errors of a Reader.
var (
	ErrMalformed = errors.New("malformed array")
	// ErrTrailingDelimiter is the commonest mistake, {a,}.
	ErrTrailingDelimiter = errors.New("malformed array: a delimiter before }")
)

// Kind is what a Token is.
type Kind uint8

// The kinds of tokens.
const (
	End   Kind = iota // nothing follows the array
	Open              // {
	Close             // }
	Item              // an element, whose Text has no quotes and escapes any more
	Null              // an element that is NULL
)

// Token is one piece of an array.
type Token struct {
	Kind Kind
	Text string
}

// Reader reads an array token by token, without allocating unless an element
// has escapes. Use NewReader.
type Reader struct {
	rest      string
	delimiter byte
	begun     bool          // the first brace was read
	wantsItem bool          // a delimiter was read
	depth     int           // open braces
	leaf      int           // the depth at which elements stand, 0 before the first
	counts    [MaxDepth]int // items so far in the open array of each depth
	lengths   [MaxDepth]int // items that each array of a depth must have, 0 if unknown
}

// NewReader returns a reader of an array whose elements stand apart by the
// delimiter of their type.
func NewReader(text string, delimiter byte) Reader { return Reader{rest: text, delimiter: delimiter} }

// Next returns the next token; End when all is read.
func (r *Reader) Next() (Token, error) {
	for {
		for r.rest != "" && isSpace(r.rest[0]) {
			r.rest = r.rest[1:]
		}
		if r.depth == 0 {
			return r.outside()
		}
		if r.rest == "" {
			return Token{}, ErrMalformed
		}
		c := r.rest[0]
		count := &r.counts[r.depth-1]
		switch {
		case c == '}' && r.wantsItem:
			return Token{}, ErrTrailingDelimiter
		case c == '}':
			return r.close()
		case c == r.delimiter && (r.wantsItem || *count == 0):
			return Token{}, ErrMalformed
		case c == r.delimiter:
			r.rest, r.wantsItem = r.rest[1:], true
			continue
		case !r.wantsItem && *count > 0:
			return Token{}, ErrMalformed // two items without a delimiter
		}
		*count++
		r.wantsItem = false
		switch {
		case c == '{':
			return r.open()
		case r.leaf == 0:
			r.leaf = r.depth
		case r.leaf != r.depth:
			return Token{}, ErrMalformed
		}
		if c == '"' {
			return r.quoted()
		}
		return r.bare()
	}
}

// outside reads what stands before the first brace or behind the last.
func (r *Reader) outside() (Token, error) {
	switch {
	case r.begun && r.rest == "":
		return Token{}, nil
	case r.begun || r.rest == "" || r.rest[0] != '{':
		return Token{}, ErrMalformed
	}
	r.begun = true
	return r.open()
}

func (r *Reader) open() (Token, error) {
	if r.depth == MaxDepth || r.leaf > 0 && r.leaf == r.depth {
		return Token{}, ErrMalformed
	}
	r.rest = r.rest[1:]
	r.counts[r.depth] = 0
	r.depth++
	return Token{Kind: Open}, nil
}

// close checks that all arrays of a depth are of one length.
func (r *Reader) close() (Token, error) {
	r.rest = r.rest[1:]
	r.depth--
	n := r.counts[r.depth]
	if r.lengths[r.depth] == 0 {
		r.lengths[r.depth] = n
	}
	if r.lengths[r.depth] != n || n == 0 && r.depth > 0 {
		return Token{}, ErrMalformed
	}
	return Token{Kind: Close}, nil
}

// behind goes on behind an element, and behind the delimiter if one follows.
func (r *Reader) behind(rest string) {
	if r.wantsItem = rest != "" && rest[0] == r.delimiter; r.wantsItem {
		rest = rest[1:]
	}
	r.rest = rest
}

func (r *Reader) quoted() (Token, error) {
	s := r.rest[1:]
	end := strings.IndexAny(s, `"\`)
	if end >= 0 && s[end] == '"' {
		r.behind(s[end+1:])
		return Token{Item, s[:end]}, nil
	}
	var text []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			r.rest = s[i+1:]
			return Token{Item, string(text)}, nil
		case '\\':
			i++
		}
		if i < len(s) {
			text = append(text, s[i])
		}
	}
	return Token{}, ErrMalformed
}

// bare reads an element without quotes. Blanks around it do not count unless
// escaped, those within do.
func (r *Reader) bare() (Token, error) {
	rest, delimiter := r.rest, r.delimiter
	for end := range len(rest) {
		switch c := rest[end]; {
		case c == delimiter || c == '}':
			r.behind(rest[end:])
			for isSpace(rest[end-1]) {
				end--
			}
			if end == len("null") && strings.EqualFold(rest[:end], "null") {
				return Token{Kind: Null}, nil
			}
			return Token{Item, rest[:end]}, nil
		case c == '\\':
			return r.escaped()
		case c == '{' || c == '"':
			return Token{}, ErrMalformed
		}
	}
	return Token{}, ErrMalformed
}

// escaped is bare for an element with a backslash in it, which is never NULL.
func (r *Reader) escaped() (Token, error) {
	var text []byte
	keep := 0 // what stands before blanks at the end
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; c {
		case r.delimiter, '}':
			r.rest = r.rest[i:]
			return Token{Item, string(text[:keep])}, nil
		case '{', '"':
			return Token{}, ErrMalformed
		case '\\':
			if i++; i == len(r.rest) {
				return Token{}, ErrMalformed
			}
			text = append(text, r.rest[i])
			keep = len(text)
		default:
			text = append(text, c)
			if !isSpace(c) {
				keep = len(text)
			}
		}
	}
	return Token{}, ErrMalformed
}

// isSpace is C's isspace in the locale C.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
