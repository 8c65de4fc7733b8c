package datum

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
)

// Key identifies a value of a type: two values are equal in Postgres if and only if
// their Keys are ==. A Key can be the key of a map.
type Key struct {
	A, B int64
	S    string
}

// Value is one non-null value of a type, ready to be compared. Each type uses the
// fields in its own way.
type Value struct {
	Key
	Unordered bool // only equality is certain, as for an unknown label of an enum
	null      bool // an element or bound is NULL; only in parts
	parts     *parts
}

// parts is what a composed value consists of. It is apart from Value to keep the
// others, which have none, small.
type parts struct {
	list     []Value  // elements of an array, bounds of a range
	document document // the value of jsonb
	index    sync.Once
	keys     map[Key]struct{} // the keys of many elements, made once by has
}

// fewElements is how many elements of an array are searched one by one.
const fewElements = 16

// has reports whether a non-null element has the key.
func (v Value) has(wanted Key) bool {
	if len(v.list()) <= fewElements {
		return slices.ContainsFunc(v.list(), func(e Value) bool { return !e.null && e.Key == wanted })
	}
	v.parts.index.Do(func() {
		v.parts.keys = make(map[Key]struct{}, len(v.parts.list))
		for _, e := range v.parts.list {
			if !e.null {
				v.parts.keys[e.Key] = struct{}{}
			}
		}
	})
	_, found := v.parts.keys[wanted]
	return found
}

// list returns the elements of an array or the bounds of a range.
func (v Value) list() []Value {
	if v.parts == nil {
		return nil
	}
	return v.parts.list
}

// Type reads and compares the values of one data type. Types are immutable
// and comparable with ==.
type Type interface {
	// Out reads text that Postgres has printed. It returns false if Go is not
	// certain of its meaning.
	Out(text string) (Value, bool)
	// In reads a client's literal. Errors are *Invalid, if Postgres refuses the
	// literal, or ErrUncertain.
	In(literal string) (Value, error)
	// Compare orders two values as the type's operators < = > do.
	Compare(a, b Value) int
	// Ordered reports whether the order of Compare is certain; its 0 always is.
	Ordered() bool
}

// ErrUncertain means that only Postgres knows how it reads a literal.
var ErrUncertain = errors.New("only Postgres can read this literal")

// Invalid is a literal that Postgres refuses.
type Invalid struct {
	SQLState string
	Message  string // as Postgres words it
}

func (e *Invalid) Error() string { return e.Message }

// syntax returns the error of most input functions, SQLSTATE 22P02.
func syntax(typeName, literal string) error {
	return &Invalid{"22P02", `invalid input syntax for type ` + typeName + `: "` + literal + `"`}
}

// outOfRange returns the error of the integer types, SQLSTATE 22003.
func outOfRange(typeName, literal string) error {
	return &Invalid{"22003", `value "` + literal + `" is out of range for type ` + typeName}
}

// compareNumbers orders values by A, then B.
func compareNumbers(a, b Value) int {
	if a.A != b.A {
		return cmp.Compare(a.A, b.A)
	}
	return cmp.Compare(a.B, b.B)
}

// compareBytes orders values by the bytes of S.
func compareBytes(a, b Value) int { return strings.Compare(a.S, b.S) }

// spaces are the characters that C's isspace accepts in the locale C.
const spaces = " \t\n\v\f\r"

func trimSpaces(s string) string { return strings.Trim(s, spaces) }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// hexDigit is the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
