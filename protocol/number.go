package protocol

import (
	"bytes"
	"math"
	"strconv"
)

// maxPlainNumber is how many characters a number without an exponent can have and
// still be one that a double holds.
const maxPlainNumber = 308

// HasHugeNumber reports whether a JSON text has a number beyond what a double can
// hold, such as 1e999. JSON allows it, and parsers make of it what they like: that
// of Swift refuses the whole frame, and its client closes the socket.
func HasHugeNumber(text []byte) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			i = endOfString(text, i)
		case '0' <= c && c <= '9':
			end := i + 1
			for end < len(text) && isOfNumber(text[end]) {
				end++
			}
			if isHuge(text[i:end]) {
				return true
			}
			i = end - 1
		}
	}
	return false
}

// endOfString is where the string that begins at i ends: its quote, or the end of a
// text that lacks it.
func endOfString(text []byte, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}

func isOfNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

func isHuge(number []byte) bool {
	if len(number) <= maxPlainNumber && !bytes.ContainsAny(number, "eE") {
		return false
	}
	f, _ := strconv.ParseFloat(string(number), 64) // the error says the same
	return math.IsInf(f, 0)
}
