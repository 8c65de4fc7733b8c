package datum

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// jsonb compares by equality only, as the order of jsonb depends on the collation
// of text. S is a text that is equal only for equal documents.
type jsonb struct{}

func (t jsonb) Out(text string) (Value, bool) {
	v, err := t.In(text)
	return v, err == nil
}

func (jsonb) In(literal string) (Value, error) {
	doc, err := parseDocument(literal)
	if err != nil {
		return Value{}, err
	}
	var key strings.Builder
	doc.writeKey(&key)
	return Value{Key: Key{S: key.String()}, Unordered: true, parts: &parts{document: doc}}, nil
}

func (jsonb) Compare(a, b Value) int { return compareBytes(a, b) }
func (jsonb) Ordered() bool          { return false }

// Contains is uncertain if it takes more than a few steps for each value in the two
// documents, as arrays of arrays do: each element is compared with each.
func (jsonb) Contains(a, b Value) (contains, certain bool) {
	t := containing{steps: minContainSteps + stepsPerValue*(a.parts.document.count+b.parts.document.count)}
	contains = t.contain(a.parts.document.JSON, b.parts.document.JSON)
	return contains, t.steps >= 0
}

func (jsonb) Overlaps(Value, Value) (overlaps, certain bool) { return false, false }

// document is a whole JSON text.
type document struct {
	JSON
	count int // how many values are in it
}

// JSON is a value as jsonb holds it.
type JSON struct {
	kind   byte   // n, t, f, # for a number, " for a string, [ or {
	text   string // the string, or a number's digits and exponent
	items  []JSON
	fields []field // in jsonb's order, each name once
}

// field is one name of an object and its value.
type field struct {
	name  string
	value JSON
}

// compareNames orders the names of an object as jsonb does, so that a document that
// jsonb has printed is in order.
func compareNames(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// inOrder sorts fields and keeps the last of several with one name.
func inOrder(fields []field) []field {
	ascending := func(a, b field) int { return compareNames(a.name, b.name) }
	for i := 1; i < len(fields); i++ {
		if ascending(fields[i-1], fields[i]) < 0 {
			continue
		}
		slices.SortStableFunc(fields, ascending)
		slices.Reverse(fields)
		fields = slices.CompactFunc(fields, func(a, b field) bool { return a.name == b.name })
		slices.Reverse(fields)
		break
	}
	return fields
}

// field finds the value of a name.
func (d JSON) field(name string) (JSON, bool) {
	i, found := slices.BinarySearchFunc(d.fields, name, func(f field, name string) int { return compareNames(f.name, name) })
	if !found {
		return JSON{}, false
	}
	return d.fields[i].value, true
}

// parseDocument reads a document. It returns ErrUncertain for text that is not JSON
// or that jsonb may refuse (\u0000, half a surrogate pair, huge numbers).
func parseDocument(text string) (document, error) {
	r := newJSONReader(text, jsonbOptions)
	defer r.close()
	value, ok := r.document()
	if !ok || !r.finished() {
		return document{}, ErrUncertain
	}
	return document{value, r.count}, nil
}

// writeKey writes a text that is equal only for equal documents.
func (d JSON) writeKey(out *strings.Builder) {
	out.WriteByte(d.kind)
	switch d.kind {
	case '"', '#':
		writeLength(out, len(d.text))
		out.WriteString(d.text)
	case '[':
		writeLength(out, len(d.items))
		for _, item := range d.items {
			item.writeKey(out)
		}
	case '{':
		writeLength(out, len(d.fields))
		for _, f := range d.fields {
			writeLength(out, len(f.name))
			out.WriteString(f.name)
			f.value.writeKey(out)
		}
	}
}

func writeLength(out *strings.Builder, n int) {
	out.WriteString(strconv.Itoa(n))
	out.WriteByte(':')
}

// scalar reports whether d is neither an array nor an object.
func (d JSON) scalar() bool { return d.kind != '[' && d.kind != '{' }
