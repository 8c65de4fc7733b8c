package pattern

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrTrailingEscape is how Postgres refuses a LIKE pattern that ends in its
// escape character, SQLSTATE 22025, once a row matches everything before.
var ErrTrailingEscape = errors.New("LIKE pattern must not end with escape character")

// Case is how letters compare when case does not count.
type Case uint8

// The ways of comparing letters.
const (
	Exact     Case = iota // case counts
	FoldASCII             // A-Z are a-z, all else as it is: the locale C
	FoldLocal             // as the locale says; certain only for ASCII
)

// LikePattern is a compiled pattern of LIKE or ILIKE.
type LikePattern struct {
	pattern string
	fold    Case
	certain bool
}

// Like compiles a pattern: % is any text, _ one character, \ takes the meaning
// of the next.
func Like(pattern string, fold Case) (LikePattern, error) {
	p := LikePattern{pattern: pattern, fold: fold, certain: fold != FoldLocal || isASCII(pattern)}
	if fold != Exact {
		p.pattern = lowerASCII(pattern)
	}
	trailing := len(pattern) - len(strings.TrimRight(pattern, `\`))
	if trailing%2 == 1 {
		return p, ErrTrailingEscape
	}
	return p, nil
}

// Certain reports whether Match is certain for every text.
func (p LikePattern) Certain() bool { return p.fold != FoldLocal }

// Match reports whether the text matches. certain is false when only Postgres
// can say.
func (p LikePattern) Match(text string) (matches, certain bool) {
	if p.fold == FoldLocal && (!p.certain || !isASCII(text)) {
		return false, false
	}
	return p.match(text), true
}

// match walks both texts at once. Where they part it goes back to the last %
// and lets that take one character more: no earlier one need be tried again.
func (p LikePattern) match(text string) bool {
	pattern := p.pattern
	retryPattern, retryText := "", ""
	retry := false
	for {
		switch {
		case pattern != "" && pattern[0] == '%':
			pattern = pattern[1:]
			retryPattern, retryText, retry = pattern, text, true
			continue
		case pattern == "" && text == "":
			return true
		case pattern != "" && text != "":
			if p2, t2, ok := p.step(pattern, text); ok {
				pattern, text = p2, t2
				continue
			}
		}
		if !retry || retryText == "" {
			return false
		}
		retryText = retryText[firstChar(retryText):]
		pattern, text = retryPattern, retryText
	}
}

// step matches one character of text.
func (p LikePattern) step(pattern, text string) (restPattern, restText string, ok bool) {
	if pattern[0] == '_' {
		return pattern[1:], text[firstChar(text):], true
	}
	if pattern[0] == '\\' && len(pattern) > 1 {
		pattern = pattern[1:]
	}
	c := text[0]
	if p.fold != Exact {
		c = lower(c)
	}
	return pattern[1:], text[1:], pattern[0] == c
}

// firstChar is the length of the first character.
func firstChar(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}
