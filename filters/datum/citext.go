package datum

import "strings"

// Folding says for which letters the other case is known.
type Folding uint8

// The foldings.
const (
	FoldUnknown Folding = iota
	FoldLocal           // the locale decides; only ASCII letters are certain
	FoldASCII           // only A-Z have another case, as in the locale C
)

// citext is the type of the extension citext, text that compares without regard to
// case. S has the text in lower case.
type citext struct {
	folding  Folding
	bytewise bool
}

func (t citext) Out(s string) (Value, bool) {
	if t.folding != FoldASCII && !isASCII(s) {
		return Value{}, false
	}
	return Value{Key: Key{S: lowerASCII(s)}}, true
}

func (t citext) In(literal string) (Value, error) {
	v, ok := t.Out(literal)
	if !ok {
		return Value{}, ErrUncertain
	}
	return v, nil
}

func (citext) Compare(a, b Value) int { return compareBytes(a, b) }
func (t citext) Ordered() bool        { return t.bytewise }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// lowerASCII writes ASCII letters in lower case. It returns s itself if there is no
// upper case in it.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}
