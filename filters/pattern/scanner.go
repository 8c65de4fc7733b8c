package pattern

import "strings"

// scanner accepts what Go and Postgres read alike, and counts the instructions
// that Go would make of it, at least as many as there will be.
type scanner struct {
	rest    string
	classes bool // \d, \w or \s: what they contain depends on the locale
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

// branch reads pieces up to | or ). It must not be empty: Postgres has its own
// ideas of that.
func (s *scanner) branch(depth int) (size int, ok bool) {
	pieces := 0
	for ; s.rest != "" && s.rest[0] != '|' && s.rest[0] != ')'; pieces++ {
		if s.rest[0] == '^' || s.rest[0] == '$' {
			// An anchor in the middle never matches or matches nothing; both agree,
			// but not on what may repeat it.
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
	return size, pieces > 0
}

// quantified reports whether a quantifier is next.
func (s *scanner) quantified() bool {
	return s.rest != "" && strings.IndexByte("*+?{", s.rest[0]) >= 0
}

func (s *scanner) take(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

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

// escape reads \d \w \s, or punctuation without its meaning.
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

// set reads [abc], [a-z] or [^…] of ASCII letters, digits and harmless marks.
func (s *scanner) set() bool {
	body, rest, ok := strings.Cut(s.rest[1:], "]")
	body = strings.TrimPrefix(body, "^")
	if !ok || body == "" || body[0] == '-' || body[len(body)-1] == '-' {
		return false
	}
	for i := 0; i < len(body); i++ {
		if !setMember(body[i]) {
			return false
		}
		if i+2 < len(body) && body[i+1] == '-' {
			if !setMember(body[i+2]) || body[i+2] < body[i] {
				return false
			}
			i += 2
		}
	}
	s.rest = rest
	return true
}

func setMember(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_ .,;!@#%+*/|(){}$?'\"", c) >= 0
}

// maxRepeat is the largest count that Postgres allows.
const maxRepeat = 255

// quantifier reads * + ? {m} {m,} {m,n}, and a ? behind it, or nothing, and says
// what becomes of the size of what is repeated.
func (s *scanner) quantifier(size int) (repeated int, ok bool) {
	switch {
	case s.take('*'), s.take('+'), s.take('?'):
		size += 2
	case s.take('{'):
		low, high, ok := s.bounds()
		if !ok {
			return 0, false
		}
		// Each turn is a copy, and each that may be left out has a branch.
		size = max(size, 1)*max(high, 1) + high - low + 2
	default:
		return size, true
	}
	s.take('?')
	return saturate(size), true
}

// bounds reads what follows the brace. Without an upper bound high is low.
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

// count reads a number. One that begins with a zero is none to Go.
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

// saturate keeps sizes from growing without end: repeats multiply.
func saturate(size int) int { return min(size, 1<<30) }
