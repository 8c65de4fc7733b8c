package diagnose

import (
	"strings"
	"unicode"
)

// OneLine is text without line ends, which would end a comment of SQL, and without what a
// terminal acts on: names are chosen by whoever makes a table.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
