package pattern

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// The reasons for which Like and Compile leave a pattern to Postgres, or refuse
// it.
var (
	// ErrTrailingEscape is how Postgres refuses a LIKE pattern that ends in its
	// escape character, SQLSTATE 22025, once a row matches everything before.
	ErrTrailingEscape = errors.New("LIKE pattern must not end with escape character")
	// ErrSize says that deciding takes more than a few steps for each byte of text.
	ErrSize = errors.New("the pattern takes too long, or too much memory, for Go")
	// ErrSyntax says that Postgres may read the expression in another way.
	ErrSyntax = errors.New("only Postgres can read this expression")
)

// Case is how letters compare when case does not count.
type Case uint8

// The ways of comparing letters.
const (
	Exact     Case = iota // case counts
	FoldASCII             // A-Z are a-z, all else as it is: the locale C
	FoldLocal             // as the locale says; certain only for ASCII
)

// In the code of a pattern these bytes, which no valid UTF-8 has, stand for
// the wildcards; all others for themselves.
const (
	anyText = 0xfe // %
	anyChar = 0xff // _
)

// LikePattern is a compiled pattern of LIKE or ILIKE. A match takes a number of
// steps that grows with text and pattern, not with their product.
type LikePattern struct {
	code    string
	borders []int32 // of all literals that are searched for and long, see literal; else nil
	fold    Case
	ascii   bool // the pattern has ASCII characters only
}

// Like compiles a pattern: % is any text, _ one character, \ takes the meaning
// of the next. Its errors are ErrTrailingEscape and ErrSize.
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

// encode writes a pattern without escapes, in lower case if case does not
// count. Of wildcards that stand together _ come first, and % once.
func encode(pattern string, fold Case) string {
	code := make([]byte, 0, len(pattern))
	text := false // a % is due
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

// prepare looks at the pieces that are searched for: those with a % on both
// sides.
func (p *LikePattern) prepare() error {
	rest, start := p.code, 0
	for piece := 0; ; piece++ {
		text, behind, found := strings.Cut(rest, string([]byte{anyText}))
		if !found {
			return nil
		}
		if l := newLiteral(text); piece > 0 && len(l.code) > wordBits {
			if l.blanks {
				return ErrSize
			}
			if p.borders == nil {
				p.borders = make([]int32, len(p.code))
			}
			l.writeBorders(p.borders[start : start+len(l.code)])
		}
		start += len(text) + 1
		rest = behind
	}
}

// Bytes is how much memory the pattern takes, about.
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
	steps int // how often a byte was looked at, as far as it is not once
}

// match takes the first piece of the pattern from the start of the text, the
// last from its end, and each between them where it is found first: what
// follows has the more room the earlier it is.
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
		if !m.search(newLiteral(p.code[at:end]), borders) {
			return false
		}
		at = end + 1
	}
	return true
}

// prefix takes what code stands for from the start.
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

// suffix takes what code stands for from the end.
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

// at is a byte of the text, in lower case if case does not count.
func (m *likeMatch) at(i int) byte {
	if m.fold {
		return lower(m.text[i])
	}
	return m.text[i]
}

// search takes everything up to the end of the first place of a literal, and
// the characters that follow it.
func (m *likeMatch) search(l literal, borders []int32) bool {
	end := 0
	switch {
	case l.code == "":
	case len(l.code) > wordBits:
		end = m.searchLong(l, borders)
	case l.blanks || m.fold:
		end = m.searchWord(l)
	default:
		if end = strings.Index(m.text, l.code); end >= 0 {
			end += len(l.code)
		}
	}
	if end < 0 {
		m.steps += len(m.text)
		return false
	}
	m.steps += end
	m.text = m.text[end:]
	for range l.after {
		if m.text == "" {
			return false
		}
		m.steps++
		m.text = m.text[firstChar(m.text):]
	}
	return true
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
