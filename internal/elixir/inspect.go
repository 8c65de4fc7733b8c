// Package elixir renders strings as Elixir's inspect does. Some texts of
// upstream, Supabase Realtime, contain such renderings of what a client has sent,
// and walcast's are the same.
//
// It is pure. Neighbours: protocol renders whole JSON values with it, filters
// the parts of a filter that it does not understand.
package elixir

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxItems is how many items Elixir renders of a list, a map or of bytes.
const MaxItems = 50

// maxCharacters is how many characters it renders of a string.
const maxCharacters = 4096

// Inspect renders a string in quotes, "a \"quoted\" one", or, when not all of it
// can be printed, as bytes: <<0, 255>>.
func Inspect(s string) string { return string(AppendInspected(nil, s)) }

// InspectList renders a list of at most MaxItems strings.
func InspectList(items []string) string {
	dst := []byte{'['}
	for i, s := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = AppendInspected(dst, s)
	}
	return string(append(dst, ']'))
}

// AppendInspected appends what Inspect returns.
func AppendInspected(dst []byte, s string) []byte {
	if !printable(s) {
		return appendBytes(dst, s)
	}
	dst = append(dst, '"')
	count := 0
	for i, r := range s {
		if count++; count > maxCharacters {
			return append(dst, `" <> ...`...)
		}
		dst = appendRune(dst, r, s[i+utf8.RuneLen(r):])
	}
	return append(dst, '"')
}

func appendRune(dst []byte, r rune, rest string) []byte {
	const escaped, names = "\"\\\a\b\x7f\x1b\f\n\r\t\v", "\"\\abdefnrtv"
	if i := strings.IndexRune(escaped, r); i >= 0 {
		return append(dst, '\\', names[i])
	}
	if r == '#' && strings.HasPrefix(rest, "{") { // would be an interpolation
		dst = append(dst, '\\')
	}
	return utf8.AppendRune(dst, r)
}

// printable is Elixir's String.printable?.
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

func appendBytes(dst []byte, s string) []byte {
	dst = append(dst, "<<"...)
	for i := range len(s) {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if i == MaxItems {
			dst = append(dst, "..."...)
			break
		}
		dst = strconv.AppendUint(dst, uint64(s[i]), 10)
	}
	return append(dst, ">>"...)
}
