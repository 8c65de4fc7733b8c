package datum

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// bytea has its bytes as lower-case hexadecimal digits in S, which order as the
// bytes do.
type bytea struct{}

func (bytea) Out(text string) (Value, bool) {
	digits, ok := strings.CutPrefix(text, `\x`)
	return Value{Key: Key{S: digits}}, ok
}

// In reads both of byteain's formats.
func (bytea) In(literal string) (Value, error) {
	if digits, ok := strings.CutPrefix(literal, `\x`); ok {
		return readHex(digits)
	}
	var raw []byte
	for s := literal; s != ""; {
		b, rest, ok := unescapeByte(s)
		if !ok {
			return Value{}, &Invalid{"22P02", "invalid input syntax for type bytea"}
		}
		raw, s = append(raw, b), rest
	}
	return Value{Key: Key{S: hex.EncodeToString(raw)}}, nil
}

// unescapeByte reads one byte of the escape format: \\, \ooo or itself.
func unescapeByte(s string) (b byte, rest string, ok bool) {
	switch {
	case s[0] != '\\':
		return s[0], s[1:], true
	case strings.HasPrefix(s, `\\`):
		return '\\', s[2:], true
	case len(s) < 4 || s[1] > '3' || !isOctal(s[1]) || !isOctal(s[2]) || !isOctal(s[3]):
		return 0, "", false
	}
	return (s[1]-'0')<<6 | (s[2]-'0')<<3 | (s[3] - '0'), s[4:], true
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

// readHex reads pairs of digits, between which there may be white space.
func readHex(digits string) (Value, error) {
	var out []byte
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		if strings.IndexByte(" \n\t\r", c) >= 0 && len(out)%2 == 0 {
			continue
		}
		if hexDigit(c) < 0 {
			if c >= 0x80 || strings.IndexByte(" \n\t\r", c) >= 0 {
				return Value{}, ErrUncertain // versions quote this character differently
			}
			return Value{}, &Invalid{"22023", fmt.Sprintf(`invalid hexadecimal digit: "%c"`, c)}
		}
		out = append(out, c)
	}
	if len(out)%2 != 0 {
		return Value{}, &Invalid{"22023", "invalid hexadecimal data: odd number of digits"}
	}
	return Value{Key: Key{S: strings.ToLower(string(out))}}, nil
}

func (bytea) Compare(a, b Value) int { return compareBytes(a, b) }
func (bytea) Ordered() bool          { return true }

// bitString is bit or varbit. S has its digits, which order as the value does.
type bitString struct{}

func (bitString) Out(text string) (Value, bool) {
	return Value{Key: Key{S: text}}, strings.Trim(text, "01") == ""
}

func (t bitString) In(literal string) (Value, error) {
	if v, ok := t.Out(literal); ok {
		return v, nil
	}
	return Value{}, ErrUncertain // b101 and x1F, among others
}

func (bitString) Compare(a, b Value) int { return compareBytes(a, b) }
func (bitString) Ordered() bool          { return true }
