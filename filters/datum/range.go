package datum

import (
	"strings"
)

// rangeType is a range type. A value has the flags below in A and its lower and
// upper bound in parts, where an infinite bound is null. S is a text that is equal
// only for equal ranges.
type rangeType struct{ subtype Type }

const (
	rangeEmpty = 1 << iota
	lowerInclusive
	upperInclusive
)

func (t rangeType) Out(text string) (Value, bool) {
	if text == "empty" {
		return Value{Key: Key{A: rangeEmpty}}, true
	}
	if len(text) < len("(,)") {
		return Value{}, false
	}
	list := make([]Value, 2)
	v := Value{parts: &parts{list: list}}
	first, last := text[0], text[len(text)-1]
	if first == '[' {
		v.A |= lowerInclusive
	}
	if last == ']' {
		v.A |= upperInclusive
	}
	lower, rest, ok1 := cutBound(text[1:len(text)-1], ',')
	upper, rest, ok2 := cutBound(rest, 0)
	var key strings.Builder
	for i, bound := range []boundText{lower, upper} {
		if bound.infinite {
			list[i].null = true
			key.WriteString("N")
			continue
		}
		var ok bool
		if list[i], ok = t.subtype.Out(bound.text); !ok || list[i].Unordered {
			return Value{}, false
		}
		writeKey(&key, list[i].Key)
	}
	v.S = key.String()
	known := (first == '[' || first == '(') && (last == ']' || last == ')')
	return v, known && ok1 && ok2 && rest == ""
}

// boundText is how a bound is spelled; an infinite bound has no spelling at all.
type boundText struct {
	text     string
	infinite bool
}

// cutBound reads a bound up to the separator, or to the end when it is 0. Text
// in quotes doubles a quote; a backslash keeps the next character anywhere.
func cutBound(s string, separator byte) (bound boundText, rest string, ok bool) {
	var text []byte
	quoted, seen := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == separator && separator != 0 && !quoted:
			return boundText{string(text), !seen}, s[i+1:], true
		case c == '\\':
			if i++; i == len(s) {
				return boundText{}, "", false
			}
			text, seen = append(text, s[i]), true
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			i++
			text = append(text, c)
		case c == '"':
			quoted, seen = !quoted, true
		default:
			text, seen = append(text, c), true
		}
	}
	return boundText{string(text), !seen}, "", separator == 0 && !quoted
}

// In leaves all literals to Postgres, which rewrites ranges of discrete types:
// [1,4] becomes [1,5).
func (rangeType) In(string) (Value, error) { return Value{}, ErrUncertain }

// Compare orders the empty range first, then by lower and by upper bound.
func (t rangeType) Compare(a, b Value) int {
	emptyA, emptyB := a.A&rangeEmpty != 0, b.A&rangeEmpty != 0
	switch {
	case emptyA && emptyB:
		return 0
	case emptyA:
		return -1
	case emptyB:
		return 1
	}
	if c := t.compareBounds(t.lower(a), t.lower(b)); c != 0 {
		return c
	}
	return t.compareBounds(t.upper(a), t.upper(b))
}

func (t rangeType) Ordered() bool { return t.subtype.Ordered() }

// bound is one end of a range.
type bound struct {
	value     Value
	lower     bool
	inclusive bool
}

func (rangeType) lower(v Value) bound {
	return bound{v.parts.list[0], true, v.A&lowerInclusive != 0}
}

func (rangeType) upper(v Value) bound {
	return bound{v.parts.list[1], false, v.A&upperInclusive != 0}
}

// compareBounds follows range_cmp_bounds. Bounds with equal values differ by the
// side of the value that they are on.
func (t rangeType) compareBounds(a, b bound) int {
	switch {
	case a.value.null && b.value.null && a.lower == b.lower:
		return 0
	case a.value.null:
		return a.side()
	case b.value.null:
		return -b.side()
	}
	if c := t.subtype.Compare(a.value, b.value); c != 0 {
		return c
	}
	return a.offset() - b.offset()
}

// side is -1 for a lower bound and 1 for an upper bound.
func (b bound) side() int {
	if b.lower {
		return -1
	}
	return 1
}

// offset is where a bound is relative to its value: -1 is before, 0 at and 1
// behind the value.
func (b bound) offset() int {
	if b.inclusive {
		return 0
	}
	return -b.side()
}

// Contains is a @> b.
func (t rangeType) Contains(a, b Value) (contains, certain bool) {
	switch {
	case b.A&rangeEmpty != 0:
		return true, true
	case a.A&rangeEmpty != 0:
		return false, true
	}
	return t.compareBounds(t.lower(a), t.lower(b)) <= 0 && t.compareBounds(t.upper(a), t.upper(b)) >= 0, true
}

// Overlaps is a && b.
func (t rangeType) Overlaps(a, b Value) (overlaps, certain bool) {
	if a.A&rangeEmpty != 0 || b.A&rangeEmpty != 0 {
		return false, true
	}
	la, lb := t.lower(a), t.lower(b)
	if t.compareBounds(la, lb) >= 0 {
		return t.compareBounds(la, t.upper(b)) <= 0, true
	}
	return t.compareBounds(lb, t.upper(a)) <= 0, true
}
