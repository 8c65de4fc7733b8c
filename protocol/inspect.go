package protocol

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Some of upstream's texts contain Elixir's rendering of what the client sent.
const (
	inspectItems      = 50   // Elixir renders that many items in all,
	inspectCharacters = 4096 // and that many characters of a string
	inspectBytesMax   = 64 << 10
)

// Quote renders a string as Elixir does: "a \"quoted\" one". What is not
// printable becomes a list of bytes: <<0, 255>>.
func Quote(s string) string { return string(inspectString(nil, s)) }

func inspectString(dst []byte, s string) []byte {
	if !printable(s) {
		return inspectBytes(dst, s)
	}
	dst = append(dst, '"')
	count := 0
	for i, r := range s {
		if count++; count > inspectCharacters {
			return append(dst, `" <> ...`...)
		}
		dst = inspectRune(dst, r, s[i+utf8.RuneLen(r):])
	}
	return append(dst, '"')
}

func inspectRune(dst []byte, r rune, rest string) []byte {
	const escaped, names = "\"\\\a\b\x7f\x1b\f\n\r\t\v", "\"\\abdefnrtv"
	if i := strings.IndexRune(escaped, r); i >= 0 {
		return append(dst, '\\', names[i])
	}
	if r == '#' && strings.HasPrefix(rest, "{") { // would be an interpolation
		dst = append(dst, '\\')
	}
	return utf8.AppendRune(dst, r)
}

// printable says whether Elixir renders s as a string.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		if r < ' ' {
			return !strings.ContainsRune("\a\b\t\n\v\f\r\x1b", r)
		}
		return r > 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff
	})
}

func inspectBytes(dst []byte, s string) []byte {
	dst = append(dst, "<<"...)
	for i := range len(s) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if i == inspectItems {
			dst = append(dst, "..."...)
			break
		}
		dst = strconv.AppendUint(dst, uint64(s[i]), 10)
	}
	return append(dst, ">>"...)
}

// inspect renders a value as Elixir does: %{"a" => [1, nil]}. Who sends a huge
// one does not get it back.
func (v value) inspect() string {
	if len(v) > inspectBytesMax {
		return "..."
	}
	items := inspectItems
	return string(v.appendInspected(nil, &items))
}

// appendInspected is inspect; items is how many more may be rendered, which
// bounds the depth too.
func (v value) appendInspected(dst []byte, items *int) []byte {
	switch v.kind() {
	case '"':
		return inspectString(dst, string(v.stringBytes()))
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
		dst = inspectString(dst, string(m.name))
		dst = append(dst, " => "...)
		dst = m.value.appendInspected(dst, items)
	}
	return append(dst, '}')
}

// member is a name and its value in an object.
type member struct {
	name  []byte
	value value
}

// sorted lists the members of an object by name. Of those with the same name
// the last one counts.
func (v value) sorted() []member {
	var all []member
	for name, m := range v.members() {
		all = append(all, member{name, m})
	}
	slices.SortStableFunc(all, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	kept := all[:0]
	for i, m := range all {
		if i+1 == len(all) || !bytes.Equal(m.name, all[i+1].name) {
			kept = append(kept, m)
		}
	}
	return kept
}
