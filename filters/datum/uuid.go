package datum

import "math"

// uuid has its 16 bytes in A and B, which order as the bytes do.
type uuid struct{}

func (uuid) Out(text string) (Value, bool) { return parseUUID(text) }

func (uuid) In(literal string) (Value, error) {
	v, ok := parseUUID(literal)
	if !ok {
		return Value{}, syntax("uuid", literal)
	}
	return v, nil
}

// parseUUID follows string_to_uuid: 32 digits, a hyphen allowed after each
// group of four, braces around the whole.
func parseUUID(s string) (Value, bool) {
	if len(s) >= 2 && s[0] == '{' {
		if s[len(s)-1] != '}' {
			return Value{}, false
		}
		s = s[1 : len(s)-1]
	}
	var half [2]uint64
	for i := range 32 {
		if i%4 == 0 && i > 0 && s != "" && s[0] == '-' {
			s = s[1:]
		}
		if s == "" {
			return Value{}, false
		}
		digit := hexDigit(s[0])
		if digit < 0 {
			return Value{}, false
		}
		half[i/16] = half[i/16]<<4 | uint64(digit)
		s = s[1:]
	}
	return Value{Key: Key{A: signed(half[0]), B: signed(half[1])}}, s == ""
}

// signed maps numbers such that their order as signed is that of the unsigned ones.
// It is its own inverse.
func signed(n uint64) int64 { return int64(n ^ (math.MaxInt64 + 1)) }

func (uuid) Compare(a, b Value) int { return compareNumbers(a, b) }
func (uuid) Ordered() bool          { return true }
