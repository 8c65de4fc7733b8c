package filters

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// inspectLimit is how many items Elixir's inspect shows of a list or of bytes.
const inspectLimit = 50

// inspectList writes a list of strings as Elixir's inspect does.
func inspectList(items []string) string {
	shown := make([]string, len(items))
	for i, s := range items {
		shown[i] = inspectString(s)
	}
	return "[" + strings.Join(shown, ", ") + "]"
}

// inspectString writes a string in quotes, or as bytes when not all of it can
// be printed.
func inspectString(s string) string {
	if !printable(s) {
		return inspectBytes(s)
	}
	var out strings.Builder
	out.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '#' && strings.HasPrefix(s[i+1:], "{"):
			out.WriteString(`\#`)
		default:
			writeControl(&out, r)
		}
	}
	out.WriteByte('"')
	return out.String()
}

func inspectBytes(s string) string {
	var shown []string
	for i := range len(s) {
		if i == inspectLimit {
			shown = append(shown, "...")
			break
		}
		shown = append(shown, strconv.Itoa(int(s[i])))
	}
	return fmt.Sprintf("<<%s>>", strings.Join(shown, ", "))
}

// controls are the control characters that can be printed, and letters are what
// stands for them behind a backslash.
const (
	controls = "\a\b\t\n\v\f\r\x1b\x7f"
	letters  = "abtnvfred"
)

func writeControl(out *strings.Builder, r rune) {
	if i := strings.IndexRune(controls, r); i >= 0 {
		out.WriteByte('\\')
		out.WriteByte(letters[i])
		return
	}
	out.WriteRune(r)
}

// printable is Elixir's String.printable?.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 0x20 && r <= 0x7e, r >= 0xa0 && r <= 0xd7ff, r >= 0xe000 && r <= 0xfffd, r >= 0x10000:
		case !strings.ContainsRune(controls, r):
			return false
		}
	}
	return true
}
