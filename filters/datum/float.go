package datum

import (
	"math"
	"strconv"
	"strings"
)

// float is float4 or float8. Key.A orders as the numbers do; NaN equals itself and
// is greater than all numbers, and -0 equals 0.
type float struct {
	bits int
	name string
}

func (t float) Out(text string) (Value, bool) {
	f, err := strconv.ParseFloat(text, t.bits)
	return floatValue(f), err == nil
}

// floatValue returns the value of a number.
func floatValue(f float64) Value {
	switch {
	case f != f:
		return number(math.MaxInt64)
	case f == 0:
		return number(0)
	}
	n := int64(math.Float64bits(f))
	if n < 0 {
		n ^= math.MaxInt64 // the more negative, the smaller
	}
	return number(n)
}

func (t float) In(literal string) (Value, error) {
	s := trimSpaces(literal)
	switch specialNumber(s) {
	case notANumber:
		if s[0] == '+' || s[0] == '-' {
			return Value{}, ErrUncertain
		}
		return floatValue(math.NaN()), nil
	case positiveInfinity:
		return floatValue(math.Inf(1)), nil
	case negativeInfinity:
		return floatValue(math.Inf(-1)), nil
	}
	if _, _, ok := splitNumber(s); !ok {
		return Value{}, t.refuse(s, literal)
	}
	f, err := strconv.ParseFloat(s, t.bits)
	if err != nil || f == 0 && strings.Trim(mantissaOf(s), "+-0.") != "" {
		if s != literal {
			return Value{}, ErrUncertain // versions differ in which blanks they quote
		}
		return Value{}, &Invalid{"22003", `"` + s + `" is out of range for type ` + t.name}
	}
	return floatValue(f), nil
}

// mantissaOf returns s without its exponent.
func mantissaOf(s string) string {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		return s[:i]
	}
	return s
}

// refuse returns the error for a literal that is no number. It is ErrUncertain for
// what C's strtod may read, such as hexadecimal and nan(…), and for a number with
// other text behind it, as Postgres may find the number out of range first.
func (t float) refuse(s, literal string) error {
	first := unsign(s)
	if first != "" && (strings.ContainsAny(first[:1], "nNiI.") || isDigit(first[0])) {
		if strings.ContainsAny(s, "xXeE(") || len(s) > 30 {
			return ErrUncertain
		}
	}
	return syntax(t.name, literal)
}

func (t float) Compare(a, b Value) int { return compareNumbers(a, b) }
func (t float) Ordered() bool          { return true }
