package datum

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"walcast/internal/pgarray"
)

// array is an array type. Only arrays of one dimension that starts at 1, and empty
// arrays, are compared here; all others are left to Postgres. S is a text that is
// equal only for equal arrays.
type array struct {
	element   Type
	delimiter byte
}

func (t array) Out(text string) (Value, bool) {
	v, err := t.read(text, func(s string) (Value, error) {
		v, ok := t.element.Out(s)
		if !ok {
			return v, ErrUncertain
		}
		return v, nil
	})
	return v, err == nil
}

func (t array) In(literal string) (Value, error) { return t.read(literal, t.element.In) }

// read reads an array whose elements are read by the given function.
func (t array) read(text string, element func(string) (Value, error)) (Value, error) {
	parsed, err := ParseArray(text, t.delimiter)
	if err != nil {
		for _, e := range parsed.Elements { // Postgres 17 reports wrong elements before a malformed array
			if _, wrong := element(e.Text); wrong != nil && !e.Null {
				return Value{}, ErrUncertain
			}
		}
		return Value{}, err
	}
	if parsed.Depth > 1 {
		return Value{}, ErrUncertain
	}
	list := make([]Value, len(parsed.Elements))
	v := Value{parts: &parts{list: list}}
	var key strings.Builder
	for i, e := range parsed.Elements {
		if e.Null {
			list[i].null = true
			key.WriteString("N")
			continue
		}
		if list[i], err = element(e.Text); err != nil {
			return Value{}, err
		}
		v.Unordered = v.Unordered || list[i].Unordered
		writeKey(&key, list[i].Key)
	}
	v.S = key.String()
	return v, nil
}

// writeKey writes a key. No two sequences of keys are written the same.
func writeKey(out *strings.Builder, k Key) {
	var scratch [64]byte
	text := strconv.AppendInt(scratch[:0], k.A, 36)
	text = append(text, ':')
	text = strconv.AppendInt(text, k.B, 36)
	text = append(text, ':')
	text = strconv.AppendInt(text, int64(len(k.S)), 36)
	text = append(text, ':')
	out.Write(text)
	out.WriteString(k.S)
}

// Compare orders by the first elements that differ, then by length. A null is
// greater than any value and equal to another null.
func (t array) Compare(a, b Value) int {
	for i := range min(len(a.list()), len(b.list())) {
		x, y := a.list()[i], b.list()[i]
		switch {
		case x.null && y.null:
		case x.null:
			return 1
		case y.null:
			return -1
		default:
			if c := t.element.Compare(x, y); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(len(a.list()), len(b.list()))
}

func (t array) Ordered() bool { return t.element.Ordered() }

// Contains is a @> b. No array contains a null.
func (t array) Contains(a, b Value) (contains, certain bool) {
	return !slices.ContainsFunc(b.list(), func(e Value) bool { return e.null || !a.has(e.Key) }), true
}

// Overlaps is a && b.
func (t array) Overlaps(a, b Value) (overlaps, certain bool) {
	return slices.ContainsFunc(b.list(), func(e Value) bool { return !e.null && a.has(e.Key) }), true
}

// ParseArray reads {a,"b c",NULL,{d}}. Its errors are *Invalid or ErrUncertain,
// the latter also for literals that state their bounds, [0:1]={a,b}. With an error
// it returns the elements before the mistake.
func ParseArray(literal string, delimiter byte) (pgarray.Array, error) {
	s := trimSpaces(literal)
	if s == "" || s[0] != '{' {
		if strings.HasPrefix(s, "[") {
			return pgarray.Array{}, ErrUncertain
		}
		return pgarray.Array{}, malformed(literal, `Array value must start with "{" or dimension information.`)
	}
	parsed, err := pgarray.Parse(s, delimiter)
	switch {
	case errors.Is(err, pgarray.ErrTrailingDelimiter):
		return parsed, malformed(literal, `Unexpected "}" character.`)
	case err != nil:
		return parsed, ErrUncertain
	}
	return parsed, nil
}

func malformed(literal, detail string) error {
	if literal != trimSpaces(literal) {
		return ErrUncertain // versions differ in which blanks they quote
	}
	return &Invalid{"22P02", `malformed array literal: "` + literal + "\"\n\n" + detail}
}
