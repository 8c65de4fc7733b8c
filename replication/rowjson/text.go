package rowjson

import (
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendString appends text as a JSON string.
func appendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	dst = appendText(dst, text)
	return append(dst, '"')
}

// appendText appends the inside of a JSON string. Bytes that are not UTF-8, as
// SQL_ASCII databases have them, become U+FFFD: a frame must be UTF-8 or the
// client ends the connection.
func appendText(dst []byte, text string) []byte {
	start := 0
	for i := 0; i < len(text); {
		b := text[i]
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, text[start:i]...)
				dst = utf8.AppendRune(dst, utf8.RuneError)
				start = i + 1
			}
			i += size
			continue
		}
		if b < ' ' || b == '"' || b == '\\' {
			dst = append(dst, text[start:i]...)
			dst = appendEscape(dst, b)
			start = i + 1
		}
		i++
	}
	return append(dst, text[start:]...)
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}

// appendRaw appends what Postgres has checked to be JSON. Line breaks, which
// can only stand between tokens, become blanks: a frame is one line.
func appendRaw(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "null"...)
	}
	start := len(dst)
	dst = append(dst, strings.ToValidUTF8(text, string(utf8.RuneError))...)
	for i := start; i < len(dst); i++ {
		if dst[i] < ' ' {
			dst[i] = ' '
		}
	}
	return dst
}

// unquote reads quoted text from behind its opening quote up to the closing
// one. A backslash stands before any character that is to be taken as it is;
// composites also double quotes.
func unquote(s string, doubled bool) (text, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			return unescape(s, i, doubled)
		case '"':
			if doubled && i+1 < len(s) && s[i+1] == '"' {
				return unescape(s, i, doubled)
			}
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// unescape is unquote from the first escape on, which takes a copy.
func unescape(s string, i int, doubled bool) (text, rest string, ok bool) {
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
		case s[i] == '"' && doubled && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			return string(out), s[i+1:], true
		}
		out = append(out, s[i])
	}
	return "", "", false
}
