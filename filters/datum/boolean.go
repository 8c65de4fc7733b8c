package datum

import "strings"

type boolean struct{}

func (boolean) Out(text string) (Value, bool) {
	switch text {
	case "t":
		return number(1), true
	case "f":
		return number(0), true
	}
	return Value{}, false
}

// In accepts unique prefixes of true, false, yes, no, on and off in any case,
// and 1 and 0 (parse_bool_with_len).
func (boolean) In(literal string) (Value, error) {
	s := trimSpaces(literal)
	if s == "" || len(s) > len("false") {
		return Value{}, syntax("boolean", literal)
	}
	s = strings.ToLower(s)
	switch {
	case strings.HasPrefix("true", s), strings.HasPrefix("yes", s), s == "on", s == "1":
		return number(1), nil
	case strings.HasPrefix("false", s), strings.HasPrefix("no", s), s == "off", s == "of", s == "0":
		return number(0), nil
	}
	return Value{}, syntax("boolean", literal)
}

func (boolean) Compare(a, b Value) int { return compareNumbers(a, b) }
func (boolean) Ordered() bool          { return true }
