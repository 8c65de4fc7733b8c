package pattern

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// The errors of Like and Compile: the pattern is refused, or left to Postgres.
var (
	// ErrTrailingEscape means that a LIKE pattern ends in its escape character.
	// Postgres refuses it, with SQLSTATE 22025, when a row matches all before it.
	ErrTrailingEscape = errors.New("LIKE pattern must not end with escape character")
	// ErrSize means that a match would take more than a few steps for each byte of
	// text, or too much memory.
	ErrSize = errors.New("the pattern takes too long, or too much memory, for Go")
	// ErrSyntax means that Postgres may read the expression in another way.
	ErrSyntax = errors.New("only Postgres can read this expression")
)

// Case is whether case counts and, if not, which letters differ only in case.
type Case uint8

// The ways of comparing letters.
const (
	Exact     Case = iota // case counts
	FoldASCII             // A-Z equal a-z and nothing else, as in the locale C
	FoldLocal             // the locale decides; only ASCII letters are certain
)

// The code of a pattern has these bytes, which valid UTF-8 never has, for the
// wildcards. All other bytes stand for themselves.
const (
	anyText = 0xfe // %
	anyChar = 0xff // _
)

// LikePattern is a compiled pattern of LIKE or ILIKE. A match takes a number of
// steps that grows with text and pattern, not with their product.
type LikePattern struct {
	code    string
	borders []int32 // by index in code, for long pieces between two %; nil if there is none
	fold    Case
	ascii   bool // the pattern has ASCII characters only
}

// Like compiles a pattern: % is any text, _ one character, and \ makes the next
// character an ordinary one. Its errors are ErrTrailingEscape and ErrSize.
func Like(pattern string, fold Case) (LikePattern, error) {
	trailing := len(pattern) - len(strings.TrimRight(pattern, `\`))
	if trailing%2 == 1 {
		return LikePattern{}, ErrTrailingEscape
	}
	if strings.IndexByte(pattern, anyText) >= 0 || strings.IndexByte(pattern, anyChar) >= 0 {
		return LikePattern{}, ErrSize // not UTF-8: Postgres refuses it
	}
	p := LikePattern{code: encode(pattern, fold), fold: fold, ascii: isASCII(pattern)}
	return p, p.prepare()
}

// encode writes a pattern without escapes, in lower case if case does not count.
// Of adjacent wildcards it writes each _ first and then one %.
func encode(pattern string, fold Case) string {
	code := make([]byte, 0, len(pattern))
	text := false // a % is still to be written
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch c {
		case '%':
			text = true
			continue
		case '_':
			code = append(code, anyChar)
			continue
		case '\\':
			i++
			c = pattern[i]
		}
		if text {
			code, text = append(code, anyText), false
		}
		if fold != Exact {
			c = lower(c)
		}
		code = append(code, c)
	}
	if text {
		code = append(code, anyText)
	}
	return string(code)
}

// prepare computes the borders of long pieces with a % on both sides, which are the
// pieces that a match searches for.
func (p *LikePattern) prepare() error {
	rest, start := p.code, 0
	for i := 0; ; i++ {
		text, behind, found := strings.Cut(rest, string([]byte{anyText}))
		if !found {
			return nil
		}
		if sought := newPiece(text); i > 0 && len(sought.code) > wordBits {
			if sought.blanks {
				return ErrSize
			}
			if p.borders == nil {
				p.borders = make([]int32, len(p.code))
			}
			sought.writeBorders(p.borders[start : start+len(sought.code)])
		}
		start += len(text) + 1
		rest = behind
	}
}

// Bytes returns about how much memory the pattern takes.
func (p LikePattern) Bytes() int { return len(p.code) + 4*len(p.borders) }

// Match reports whether the text matches. certain is false when only Postgres
// can say.
func (p LikePattern) Match(text string) (matches, certain bool) {
	if p.fold == FoldLocal && (!p.ascii || !isASCII(text)) {
		return false, false
	}
	m := likeMatch{text: text, fold: p.fold != Exact}
	return m.match(p), true
}

// likeMatch is the state of one match: the text that is still to be matched.
type likeMatch struct {
	text  string
	fold  bool
	steps int // how often bytes were looked at, for tests
}

// match finds the first piece of the pattern at the start of the text, the last at
// its end, and each piece between them at its first occurrence, which leaves the
// most text for the pieces that follow.
func (m *likeMatch) match(p LikePattern) bool {
	last := strings.LastIndexByte(p.code, anyText)
	if last < 0 {
		return m.prefix(p.code) && m.text == ""
	}
	first := strings.IndexByte(p.code, anyText)
	if !m.prefix(p.code[:first]) || !m.suffix(p.code[last+1:]) {
		return false
	}
	for at := first + 1; at <= last; {
		end := at + strings.IndexByte(p.code[at:], anyText)
		var borders []int32
		if p.borders != nil {
			borders = p.borders[at:end]
		}
		if !m.search(newPiece(p.code[at:end]), borders) {
			return false
		}
		at = end + 1
	}
	return true
}

// prefix removes what code matches from the start of the text. It reports whether
// there was a match.
func (m *likeMatch) prefix(code string) bool {
	for i := range len(code) {
		if m.text == "" {
			return false
		}
		m.steps++
		if code[i] == anyChar {
			m.text = m.text[firstChar(m.text):]
			continue
		}
		if m.at(0) != code[i] {
			return false
		}
		m.text = m.text[1:]
	}
	return true
}

// suffix removes what code matches from the end of the text. It reports whether
// there was a match.
func (m *likeMatch) suffix(code string) bool {
	for i := len(code) - 1; i >= 0; i-- {
		last := len(m.text) - 1
		if last < 0 {
			return false
		}
		m.steps++
		if code[i] == anyChar {
			_, n := utf8.DecodeLastRuneInString(m.text)
			m.text = m.text[:len(m.text)-n]
			continue
		}
		if m.at(last) != code[i] {
			return false
		}
		m.text = m.text[:last]
	}
	return true
}

// at returns a byte of the text, in lower case if case does not count.
func (m *likeMatch) at(i int) byte {
	if m.fold {
		return lower(m.text[i])
	}
	return m.text[i]
}

// search removes the text up to the end of the first occurrence of a piece, with
// the characters that must follow it. It reports whether there was one.
func (m *likeMatch) search(p piece, borders []int32) bool {
	end := 0
	switch {
	case p.code == "":
	case len(p.code) > wordBits:
		end = m.searchLong(p, borders)
	case p.blanks || m.fold:
		end = m.searchWord(p)
	default:
		if end = strings.Index(m.text, p.code); end >= 0 {
			end += len(p.code)
		}
	}
	if end < 0 {
		m.steps += len(m.text)
		return false
	}
	m.steps += end
	m.text = m.text[end:]
	for range p.after {
		if m.text == "" {
			return false
		}
		m.steps++
		m.text = m.text[firstChar(m.text):]
	}
	return true
}

// firstChar returns the length of the first character in bytes.
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
