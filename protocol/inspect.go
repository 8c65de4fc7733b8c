package protocol

import (
	"bytes"
	"slices"

	"walcast/internal/elixir"
)

// maxInspected is the longest value that a text repeats.
const maxInspected = 64 << 10

// Quote renders a string as Elixir does, as some of upstream's texts have them.
func Quote(s string) string { return elixir.Inspect(s) }

// inspect renders a value as Elixir does: %{"a" => [1, nil]}. A huge one is not
// repeated to its sender.
func (v value) inspect() string {
	if len(v) > maxInspected {
		return "..."
	}
	items := elixir.MaxItems
	return string(v.appendInspected(nil, &items))
}

// appendInspected is inspect; items is how many more may be rendered, which
// bounds the depth too.
func (v value) appendInspected(dst []byte, items *int) []byte {
	switch v.kind() {
	case '"':
		return elixir.AppendInspected(dst, string(v.stringBytes()))
	case 'n':
		return append(dst, "nil"...)
	case '[':
		return v.appendList(dst, items)
	case '{':
		return v.appendMap(dst, items)
	}
	return append(dst, v...)
}

func (v value) appendList(dst []byte, items *int) []byte {
	dst = append(dst, '[')
	first := true
	for e := range v.elements() {
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		if *items--; *items < 0 {
			dst = append(dst, "..."...)
			break
		}
		dst = e.appendInspected(dst, items)
	}
	return append(dst, ']')
}

func (v value) appendMap(dst []byte, items *int) []byte {
	dst = append(dst, "%{"...)
	for i, m := range v.sorted() {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if *items--; *items < 0 {
			dst = append(dst, "..."...)
			break
		}
		dst = elixir.AppendInspected(dst, string(m.name))
		dst = append(dst, " => "...)
		dst = m.value.appendInspected(dst, items)
	}
	return append(dst, '}')
}

// pair is a name and its value in an object.
type pair struct {
	name  []byte
	value value
}

// sorted lists the pairs of an object by name. Of those with the same name
// the last one counts.
func (v value) sorted() []pair {
	var all []pair
	for name, m := range v.pairs() {
		all = append(all, pair{name, m})
	}
	slices.SortStableFunc(all, func(a, b pair) int { return bytes.Compare(a.name, b.name) })
	last := all[:0]
	for i, m := range all {
		if i+1 == len(all) || !bytes.Equal(m.name, all[i+1].name) {
			last = append(last, m)
		}
	}
	return last
}
