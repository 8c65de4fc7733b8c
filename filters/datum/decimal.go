package datum

import (
	"strconv"
	"strings"
)

// decimal is numeric. Its Key.S is the value in digits without superfluous zeros,
// "-12.5", or NaN, Infinity, -Infinity. Values from the WAL are compared as text,
// without parsing or allocating.
type decimal struct{}

const (
	notANumber       = "NaN"
	positiveInfinity = "Infinity"
	negativeInfinity = "-Infinity"

	// maxDecimalDigits bounds the digits of a client's literal.
	maxDecimalDigits = 1000
	// maxDecimalShift bounds the zeros that a client's exponent adds, as an array
	// may have 1e999 many times.
	maxDecimalShift = 128
	// maxNumberDigits is fewer digits than numeric can hold on either side of the
	// point.
	maxNumberDigits = 16000
)

func (decimal) Out(text string) (Value, bool) {
	switch text {
	case "":
		return Value{}, false
	case notANumber, positiveInfinity, negativeInfinity:
		return Value{Key: Key{S: text}}, true
	}
	whole, fraction, point := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if !isDigits(whole) || point && !isDigits(fraction) {
		return Value{}, false
	}
	return Value{Key: Key{S: plain(text)}}, true
}

// plain removes trailing zeros of the fraction: 1.50 becomes 1.5, 10.00 becomes 10.
func plain(text string) string {
	if strings.IndexByte(text, '.') >= 0 {
		text = strings.TrimRight(text, "0")
		text = strings.TrimSuffix(text, ".")
	}
	if text == "-0" {
		return "0"
	}
	return text
}

func (decimal) In(literal string) (Value, error) {
	s := trimSpaces(literal)
	if special := specialNumber(s); special != "" {
		if special == notANumber && s[0] != 'n' && s[0] != 'N' {
			return Value{}, ErrUncertain // versions differ on a sign before NaN
		}
		return Value{Key: Key{S: special}}, nil
	}
	mantissa, exponent, ok := splitNumber(s)
	if !ok {
		if looksLikeCode(s) || oddExponent(s) {
			return Value{}, ErrUncertain
		}
		return Value{}, syntax("numeric", literal)
	}
	text, ok := expand(mantissa, exponent)
	if !ok {
		return Value{}, ErrUncertain
	}
	return Value{Key: Key{S: text}}, nil
}

// looksLikeCode reports whether s may be a number that only Postgres 16 and later
// read: 0x1F, 0o17, 0b1, 1_000.
func looksLikeCode(s string) bool {
	return strings.ContainsAny(s, "xXoObB_") && strings.ContainsAny(s, "0123456789")
}

// oddExponent reports whether Postgres may report another error than the syntax:
// an exponent that overflows is found first. Up to Postgres 15 there may also be
// blanks before the exponent.
func oddExponent(s string) bool {
	i := strings.IndexAny(s, "eE")
	return i >= 0 && (longestNumber(s[i:]) > 4 || strings.ContainsAny(s[i:], spaces))
}

// specialNumber recognises NaN and the infinities in any case.
func specialNumber(s string) string {
	unsigned := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(s, "+"), "-"))
	if len(s)-len(unsigned) > 1 {
		return ""
	}
	switch unsigned {
	case "nan":
		return notANumber
	case "infinity", "inf":
		if s[0] == '-' {
			return negativeInfinity
		}
		return positiveInfinity
	}
	return ""
}

// splitNumber cuts [+-]digits[.digits][e[+-]digits] into mantissa and exponent.
func splitNumber(s string) (mantissa, exponent string, ok bool) {
	mantissa = s
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
		if !isDigits(unsign(exponent)) {
			return "", "", false
		}
	}
	whole, fraction, _ := strings.Cut(unsign(mantissa), ".")
	if whole+fraction == "" || whole != "" && !isDigits(whole) || fraction != "" && !isDigits(fraction) {
		return "", "", false
	}
	return mantissa, exponent, true
}

// unsign removes one sign.
func unsign(s string) string {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[1:]
	}
	return s
}

// expand writes a mantissa and an exponent as digits without an exponent. It is not
// ok if there would be too many digits.
func expand(mantissa, exponent string) (string, bool) {
	whole, fraction, _ := strings.Cut(unsign(mantissa), ".")
	shift, ok := smallInteger(exponent)
	if !ok || max(shift, -shift) > maxDecimalShift || len(whole)+len(fraction) > maxDecimalDigits {
		return "", false
	}
	if shift > 0 {
		fraction += strings.Repeat("0", max(0, shift-len(fraction)))
		whole, fraction = whole+fraction[:shift], fraction[shift:]
	} else if shift < 0 {
		whole = strings.Repeat("0", max(0, -shift-len(whole))) + whole
		point := len(whole) + shift
		whole, fraction = whole[:point], whole[point:]+fraction
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	text := plain(whole + "." + fraction + "0")
	if mantissa[0] == '-' && text != "0" {
		text = "-" + text
	}
	return text, true
}

// scientific writes a mantissa and an exponent such that equal numbers are written
// the same. It keeps the exponent, as a document may be full of 1e999. It is not ok
// for numbers that numeric may not hold.
func scientific(mantissa, exponent string) (string, bool) {
	whole, fraction, _ := strings.Cut(unsign(mantissa), ".")
	shift, ok := smallInteger(exponent)
	if !ok || len(whole)+len(fraction)+max(shift, -shift) > maxNumberDigits {
		return "", false
	}
	shift -= len(fraction)
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return "0", true
	}
	significant := strings.TrimRight(digits, "0")
	if shift += len(digits) - len(significant); shift != 0 {
		significant += "e" + strconv.Itoa(shift)
	}
	if mantissa[0] == '-' {
		significant = "-" + significant
	}
	return significant, true
}

// smallInteger reads up to four digits with a sign; the empty text is 0.
func smallInteger(s string) (int, bool) {
	n := 0
	for _, c := range []byte(unsign(s)) {
		n = n*10 + int(c-'0')
		if n > 9999 {
			return 0, false
		}
	}
	if s != "" && s[0] == '-' {
		n = -n
	}
	return n, true
}

func (decimal) Compare(a, b Value) int { return compareDecimals(a.S, b.S) }
func (decimal) Ordered() bool          { return true }

// compareDecimals orders plain decimals. NaN equals itself and is greater than
// everything else.
func compareDecimals(a, b string) int {
	if a == b {
		return 0
	}
	if ra, rb := decimalRank(a), decimalRank(b); ra != rb || ra != 0 {
		return ra - rb
	}
	negativeA, negativeB := a[0] == '-', b[0] == '-'
	switch {
	case negativeA && negativeB:
		return compareMagnitudes(b[1:], a[1:])
	case negativeA:
		return -1
	case negativeB:
		return 1
	}
	return compareMagnitudes(a, b)
}

// decimalRank is 0 for numbers and orders them among NaN and the infinities.
func decimalRank(s string) int {
	switch s {
	case negativeInfinity:
		return -1
	case positiveInfinity:
		return 1
	case notANumber:
		return 2
	}
	return 0
}

// compareMagnitudes orders decimals without a sign. More digits before the point
// make a number greater; otherwise the first digit that differs decides.
func compareMagnitudes(a, b string) int {
	if la, lb := wholeDigits(a), wholeDigits(b); la != lb {
		return la - lb
	}
	return strings.Compare(a, b) // a missing point or fraction sorts first
}

// wholeDigits counts the digits before the point.
func wholeDigits(s string) int {
	if i := strings.IndexByte(s, '.'); i >= 0 {
		return i
	}
	return len(s)
}
