package pattern

import (
	"regexp"
	"strings"
)

// Regexp is a compiled pattern of ~ or ~*, if it is one that Go and Postgres
// read alike.
type Regexp struct {
	expression *regexp.Regexp
	ascii      bool // certain for ASCII text only
}

// Compile compiles what both read alike; false says that only Postgres can.
// Alike are plain characters, the dot, groups, alternatives, the anchors at
// both ends, * + ? {m,n} and their lazy forms, sets of ASCII characters, \d \w
// \s on ASCII text, and escaped punctuation. Everything else of Postgres'
// syntax Go lacks or reads in another way.
func Compile(pattern string, fold Case) (Regexp, bool) {
	s := scanner{rest: pattern}
	if !s.alternatives(0) || s.rest != "" {
		return Regexp{}, false
	}
	ascii := s.classes
	flags := "(?s)"
	if fold != Exact {
		// Go folds all of Unicode: the Kelvin sign is a k.
		if !isASCII(pattern) {
			return Regexp{}, false
		}
		flags, ascii = "(?is)", true
	}
	expression, err := regexp.Compile(flags + pattern)
	return Regexp{expression, ascii}, err == nil
}

// Certain reports whether Match is certain for every text.
func (r Regexp) Certain() bool { return !r.ascii }

// Match reports whether the expression matches somewhere in the text. certain
// is false when only Postgres can say.
func (r Regexp) Match(text string) (matches, certain bool) {
	// Postgres counts the vertical tab among \s, Go does not.
	if r.ascii && (!isASCII(text) || strings.IndexByte(text, '\v') >= 0) {
		return false, false
	}
	return r.expression.MatchString(text), true
}

// scanner accepts the common subset.
type scanner struct {
	rest    string
	classes bool // \d, \w or \s: what they contain depends on the locale
}

// maxGroups bounds the nesting of groups.
const maxGroups = 50

func (s *scanner) alternatives(depth int) bool {
	if depth > maxGroups {
		return false
	}
	for {
		if !s.branch(depth) {
			return false
		}
		if !s.take('|') {
			return true
		}
	}
}

// branch reads pieces up to | or ). It must not be empty: Postgres has its own
// ideas of that.
func (s *scanner) branch(depth int) bool {
	pieces := 0
	for ; s.rest != "" && s.rest[0] != '|' && s.rest[0] != ')'; pieces++ {
		if s.rest[0] == '^' || s.rest[0] == '$' {
			// An anchor in the middle never matches or matches nothing; both agree,
			// but not on what may repeat it.
			s.rest = s.rest[1:]
			if s.quantified() {
				return false
			}
			continue
		}
		if !s.atom(depth) || !s.quantifier() || s.quantified() {
			return false
		}
	}
	return pieces > 0
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

func (s *scanner) atom(depth int) bool {
	switch c := s.rest[0]; c {
	case '(':
		s.rest = s.rest[1:]
		return s.rest != "" && s.rest[0] != '?' && s.rest[0] != '*' && s.alternatives(depth+1) && s.take(')')
	case '[':
		return s.set()
	case '\\':
		return s.escape()
	case '*', '+', '?', '{', '}', ']':
		return false
	default:
		if c < ' ' || c == 0x7f {
			return false
		}
		s.rest = s.rest[firstChar(s.rest):]
		return true
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

// quantifier reads * + ? {m} {m,} {m,n}, and a ? behind it, or nothing.
func (s *scanner) quantifier() bool {
	switch {
	case s.take('*'), s.take('+'), s.take('?'):
	case s.take('{'):
		if !s.bounds() {
			return false
		}
	default:
		return true
	}
	s.take('?')
	return true
}

// bounds reads what follows the brace.
func (s *scanner) bounds() bool {
	low, ok := s.count()
	if !ok || s.take('}') {
		return ok
	}
	if !s.take(',') {
		return false
	}
	if s.take('}') {
		return true
	}
	high, ok := s.count()
	return ok && low <= high && s.take('}')
}

func (s *scanner) count() (n int, ok bool) {
	for s.rest != "" && '0' <= s.rest[0] && s.rest[0] <= '9' && n <= maxRepeat {
		n, ok = n*10+int(s.rest[0]-'0'), true
		s.rest = s.rest[1:]
	}
	return n, ok && n <= maxRepeat
}
