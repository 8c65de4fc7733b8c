package datum

import (
	"strings"
	"unicode/utf8"
)

// text is text or varchar. Texts are equal if their bytes are, since a database's
// default collation is deterministic. They order by bytes only if bytewise is set.
type text struct{ bytewise bool }

func (text) Out(s string) (Value, bool)       { return Value{Key: Key{S: s}}, true }
func (text) In(literal string) (Value, error) { return Value{Key: Key{S: literal}}, nil }
func (text) Compare(a, b Value) int           { return compareBytes(a, b) }
func (t text) Ordered() bool                  { return t.bytewise }

// padded is char(n), in whose comparisons blanks at the end do not count.
type padded struct{ bytewise bool }

func (padded) Out(s string) (Value, bool) {
	return Value{Key: Key{S: strings.TrimRight(s, " ")}}, true
}

func (t padded) In(literal string) (Value, error) {
	v, _ := t.Out(literal)
	return v, nil
}

func (padded) Compare(a, b Value) int { return compareBytes(a, b) }
func (t padded) Ordered() bool        { return t.bytewise }

// name is Postgres' identifier type: up to 63 bytes, always ordered by bytes.
type name struct{}

const maxNameBytes = 63

func (name) Out(s string) (Value, bool) { return Value{Key: Key{S: s}}, true }

// In truncates to whole characters within maxNameBytes, as Postgres does.
func (name) In(literal string) (Value, error) {
	if len(literal) > maxNameBytes {
		cut := maxNameBytes
		for cut > 0 && !utf8.RuneStart(literal[cut]) {
			cut--
		}
		literal = literal[:cut]
	}
	return Value{Key: Key{S: literal}}, nil
}

func (name) Compare(a, b Value) int { return compareBytes(a, b) }
func (name) Ordered() bool          { return true }

// character is "char", one byte.
type character struct{}

func (character) Out(s string) (Value, bool) {
	return Value{Key: Key{S: s}}, len(s) == 1 && s[0] < utf8.RuneSelf
}

func (t character) In(literal string) (Value, error) {
	if v, ok := t.Out(literal); ok {
		return v, nil
	}
	return Value{}, ErrUncertain
}

func (character) Compare(a, b Value) int { return compareBytes(a, b) }
func (character) Ordered() bool          { return true }
