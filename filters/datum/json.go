package datum

import (
	"slices"
	"strconv"
	"strings"
)

// jsonb knows equality only: S is a text that only equal documents share. The
// order of jsonb depends on the collation of text.
type jsonb struct{}

func (t jsonb) Out(text string) (Value, bool) {
	v, err := t.In(text)
	return v, err == nil
}

func (jsonb) In(literal string) (Value, error) {
	doc, err := ParseJSON(literal)
	if err != nil {
		return Value{}, err
	}
	var key strings.Builder
	doc.writeKey(&key)
	return Value{Key: Key{S: key.String()}, Unordered: true, parts: &parts{document: doc}}, nil
}

func (jsonb) Compare(a, b Value) int { return compareBytes(a, b) }
func (jsonb) Ordered() bool          { return false }

func (jsonb) Contains(a, b Value) bool   { return a.parts.document.contain(b.parts.document) }
func (jsonb) Overlaps(Value, Value) bool { return false }

// JSON is a document as jsonb holds it.
type JSON struct {
	kind   byte   // n, t, f, # for a number, " for a string, [ or {
	text   string // of a string; of a number in plain digits
	items  []JSON
	fields map[string]JSON
}

// ParseJSON reads a document. It returns ErrUncertain for what is not JSON, and
// for what jsonb may refuse (\u0000, half a surrogate pair, huge numbers).
func ParseJSON(text string) (JSON, error) {
	r := newJSONReader(text, jsonbOptions)
	defer r.close()
	doc, ok := r.document()
	if !ok || !r.finished() {
		return JSON{}, ErrUncertain
	}
	return doc, nil
}

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
		names := make([]string, 0, len(d.fields))
		for name := range d.fields {
			names = append(names, name)
		}
		slices.Sort(names)
		writeLength(out, len(names))
		for _, name := range names {
			writeLength(out, len(name))
			out.WriteString(name)
			d.fields[name].writeKey(out)
		}
	}
}

func writeLength(out *strings.Builder, n int) {
	out.WriteString(strconv.Itoa(n))
	out.WriteByte(':')
}

func (d JSON) scalar() bool { return d.kind != '[' && d.kind != '{' }

// contain is jsonb's d @> o: an array may contain a scalar as if it stood in
// an array, but only at the top.
func (d JSON) contain(o JSON) bool {
	if d.kind == '[' && o.scalar() {
		return d.has(o)
	}
	return d.includes(o)
}

// includes is containment below the top.
func (d JSON) includes(o JSON) bool {
	switch {
	case d.kind != o.kind:
		return false
	case d.kind == '{':
		for name, want := range o.fields {
			if got, ok := d.fields[name]; !ok || !got.includes(want) {
				return false
			}
		}
		return true
	case d.kind == '[':
		return !slices.ContainsFunc(o.items, func(want JSON) bool { return !d.has(want) })
	}
	return d.text == o.text
}

// has reports whether an array has an item that contains what is wanted.
func (d JSON) has(want JSON) bool {
	return slices.ContainsFunc(d.items, func(item JSON) bool { return item.includes(want) })
}
