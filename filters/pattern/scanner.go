package pattern

import "strings"

// scanner accepts the regular expressions that Go and Postgres read alike. It also
// computes an upper limit of the instructions that Go makes of one.
type scanner struct {
	rest    string
	classes bool // there is a \d, \w or \s, which depends on the locale
}

// maxGroups bounds the nesting of groups.
const maxGroups = 50

// alternatives reads branches up to a parenthesis or the end.
func (s *scanner) alternatives(depth int) (size int, ok bool) {
	if depth > maxGroups {
		return 0, false
	}
	for {
		n, ok := s.branch(depth)
		if !ok {
			return 0, false
		}
		size = saturate(size + n)
		if !s.take('|') {
			return size, true
		}
		size++
	}
}

// branch reads atoms up to | or ). Go and Postgres differ on empty branches, so
// these are not ok.
func (s *scanner) branch(depth int) (size int, ok bool) {
	atoms := 0
	for ; s.rest != "" && s.rest[0] != '|' && s.rest[0] != ')'; atoms++ {
		if s.rest[0] == '^' || s.rest[0] == '$' {
			// Go and Postgres agree on anchors anywhere, but not on repeated ones.
			s.rest = s.rest[1:]
			if s.quantified() {
				return 0, false
			}
			size = saturate(size + 1)
			continue
		}
		n, ok := s.atom(depth)
		if !ok {
			return 0, false
		}
		if n, ok = s.quantifier(n); !ok || s.quantified() {
			return 0, false
		}
		size = saturate(size + n)
	}
	return size, atoms > 0
}

// quantified reports whether a quantifier is next.
func (s *scanner) quantified() bool {
	return s.rest != "" && strings.IndexByte("*+?{", s.rest[0]) >= 0
}

// take reads one given byte, if it is next.
func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// atom reads a character, a group, a set or an escape.
func (s *scanner) atom(depth int) (size int, ok bool) {
	switch c := s.rest[0]; c {
	case '(':
		s.rest = s.rest[1:]
		if s.rest == "" || s.rest[0] == '?' || s.rest[0] == '*' {
			return 0, false
		}
		size, ok = s.alternatives(depth + 1)
		return saturate(size + 2), ok && s.take(')')
	case '[':
		return 1, s.set()
	case '\\':
		return 1, s.escape()
	case '*', '+', '?', '{', '}', ']':
		return 0, false
	default:
		if c < ' ' || c == 0x7f {
			return 0, false
		}
		s.rest = s.rest[firstChar(s.rest):]
		return 1, true
	}
}

// escape reads \d \w \s, or escaped punctuation.
func (s *scanner) escape() bool {
	if len(s.rest) < 2 {
		return false
	}
	c := s.rest[1]
	switch {
	case strings.IndexByte("dws", c) >= 0:
		s.classes = true
	case strings.IndexByte(`.*+?()[]{}|^$\/-_,:;!@#%&=~"'<> `+"`", c) < 0 || c == '<' || c == '>':
		return false
	}
	s.rest = s.rest[2:]
	return true
}

// set reads [abc], [a-z] or [^…] of the characters that fitsSet accepts.
func (s *scanner) set() bool {
	body, rest, ok := strings.Cut(s.rest[1:], "]")
	body = strings.TrimPrefix(body, "^")
	if !ok || body == "" || body[0] == '-' || body[len(body)-1] == '-' {
		return false
	}
	for i := 0; i < len(body); i++ {
		if !fitsSet(body[i]) {
			return false
		}
		if i+2 < len(body) && body[i+1] == '-' {
			if !fitsSet(body[i+2]) || body[i+2] < body[i] {
				return false
			}
			i += 2
		}
	}
	s.rest = rest
	return true
}

// fitsSet accepts ASCII letters, digits and marks without a meaning in sets.
func fitsSet(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_ .,;!@#%+*/|(){}$?'\"", c) >= 0
}

// maxRepeat is the largest count that Postgres allows.
const maxRepeat = 255

// quantifier reads * + ? {m} {m,} {m,n}, with or without a ? behind, or nothing. It
// returns the size of the repeated expression, given the size of one repetition.
func (s *scanner) quantifier(size int) (repeated int, ok bool) {
	switch {
	case s.take('*'), s.take('+'), s.take('?'):
		size += 2
	case s.take('{'):
		low, high, ok := s.bounds()
		if !ok {
			return 0, false
		}
		// Each repetition is a copy, and each optional one needs a branch.
		size = max(size, 1)*max(high, 1) + high - low + 2
	default:
		return size, true
	}
	s.take('?')
	return saturate(size), true
}

// bounds reads the numbers of a quantifier behind its brace. Without an upper bound
// high is low.
func (s *scanner) bounds() (low, high int, ok bool) {
	low, ok = s.count()
	if !ok || s.take('}') {
		return low, low, ok
	}
	if !s.take(',') {
		return 0, 0, false
	}
	if s.take('}') {
		return low, low, true
	}
	high, ok = s.count()
	return low, high, ok && low <= high && s.take('}')
}

// count reads a number. Go takes no number that begins with a zero.
func (s *scanner) count() (n int, ok bool) {
	if len(s.rest) > 1 && s.rest[0] == '0' && '0' <= s.rest[1] && s.rest[1] <= '9' {
		return 0, false
	}
	for s.rest != "" && '0' <= s.rest[0] && s.rest[0] <= '9' && n <= maxRepeat {
		n, ok = n*10+int(s.rest[0]-'0'), true
		s.rest = s.rest[1:]
	}
	return n, ok && n <= maxRepeat
}

// saturate bounds a size, as nested repeats multiply and could overflow.
func saturate(size int) int { return min(size, 1<<30) }
