package datum

import (
	"strconv"
	"strings"
)

// integer is int2, int4 or int8.
type integer struct {
	bits int
	name string
}

func (t integer) Out(text string) (Value, bool) {
	n, err := strconv.ParseInt(text, 10, t.bits)
	return number(n), err == nil
}

func (t integer) In(literal string) (Value, error) {
	s := strings.TrimLeft(literal, spaces)
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "+"), "-")
	if len(s)-len(digits) > 1 {
		return Value{}, syntax(t.name, literal)
	}
	end := 0
	for end < len(digits) && isDigit(digits[end]) {
		end++
	}
	rest := digits[end:]
	if end == 0 {
		return Value{}, syntax(t.name, literal)
	}
	if rest != "" && strings.ContainsRune("xXoObB_", rune(rest[0])) {
		return Value{}, ErrUncertain // Postgres 16 reads 0x1F, 0o17, 0b1 and 1_000
	}
	// Postgres reads the digits as a negative number and notices an overflow before
	// it looks at what follows them. That the smallest number lacks its minus sign
	// it notices afterwards.
	n, err := strconv.ParseInt("-"+digits[:end], 10, t.bits)
	if err != nil {
		return Value{}, outOfRange(t.name, literal)
	}
	if trimSpaces(rest) != "" {
		return Value{}, syntax(t.name, literal)
	}
	if s[0] == '-' {
		return number(n), nil
	}
	if n == -1<<(t.bits-1) {
		return Value{}, outOfRange(t.name, literal)
	}
	return number(-n), nil
}

func (t integer) Compare(a, b Value) int { return compareNumbers(a, b) }
func (t integer) Ordered() bool          { return true }

// oid is an unsigned 32 bit integer.
type oid struct{}

func (oid) Out(text string) (Value, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return number(int64(n)), err == nil
}

func (t oid) In(literal string) (Value, error) {
	v, ok := t.Out(literal)
	// oidin takes -1 for 4294967295, among others, and 010 for 8 from Postgres 16 on.
	if !ok || !isDigits(literal) || len(literal) > 1 && literal[0] == '0' {
		return Value{}, ErrUncertain
	}
	return v, nil
}

func (oid) Compare(a, b Value) int { return compareNumbers(a, b) }
func (oid) Ordered() bool          { return true }

// number returns the value of a type that has a number in A.
func number(n int64) Value { return Value{Key: Key{A: n}} }
