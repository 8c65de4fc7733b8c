package datum

import "strings"

// Step is one -> of a JSON path: a key, or an index into an array, which
// counts from the end when it is negative.
type Step struct {
	Key     string
	Index   int
	IsIndex bool
}

// Path leads into a json or jsonb value.
type Path struct {
	Steps  []Step
	AsText bool // the last step is ->>
	Binary bool // the value is jsonb
}

// Extract follows the path through a document. found is false where SQL has
// NULL.
func (p Path) Extract(document string) (text string, found bool) {
	s := jsonScanner{rest: document, binary: p.Binary}
	s.space()
	for _, step := range p.Steps {
		if !s.descend(step) {
			return "", false
		}
	}
	text, ok := s.skip()
	switch {
	case !ok:
		return "", false
	case !p.AsText:
		return text, true
	case text == "null":
		return "", false
	case text[0] == '"':
		return (&jsonParser{text}).string()
	}
	return text, true
}

// jsonScanner walks over JSON that Postgres has checked.
type jsonScanner struct {
	rest   string
	binary bool
}

func (s *jsonScanner) space() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

func (s *jsonScanner) peek() byte {
	if s.rest == "" {
		return 0
	}
	return s.rest[0]
}

// skip passes over one value and returns its text.
func (s *jsonScanner) skip() (string, bool) {
	s.space()
	start, depth := s.rest, 0
	for s.rest != "" {
		switch c := s.rest[0]; c {
		case '{', '[':
			depth++
			s.rest = s.rest[1:]
		case '}', ']':
			depth--
			s.rest = s.rest[1:]
		case '"':
			s.skipString()
		default:
			s.rest = strings.TrimLeft(s.rest[1:], "abcdefghijklmnopqrstuvwxyzE0123456789+-.")
		}
		if depth == 0 {
			return start[:len(start)-len(s.rest)], true
		}
	}
	return "", false
}

// skipString passes over a string, escapes and all.
func (s *jsonScanner) skipString() {
	for i := 1; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			s.rest = s.rest[i+1:]
			return
		}
	}
	s.rest = ""
}

func (s *jsonScanner) descend(step Step) bool {
	switch {
	case step.IsIndex && s.peek() == '[':
		return s.item(step.Index)
	case step.IsIndex:
		// jsonb keeps a scalar in an array of one, and ->0 finds it there.
		return s.binary && s.peek() != '{' && (step.Index == 0 || step.Index == -1)
	}
	return s.peek() == '{' && s.field(step.Key)
}

// field moves to the value of the last field of that name: json keeps all of
// them, and -> takes the last.
func (s *jsonScanner) field(key string) bool {
	found := ""
	for s.next('}') {
		name, _ := s.skip()
		p := jsonParser{name}
		decoded, ok := p.string()
		s.space()
		s.rest = strings.TrimPrefix(s.rest, ":")
		value, valid := s.skip()
		if !valid {
			return false
		}
		if ok && decoded == key {
			found = value
		}
	}
	s.rest = found
	return found != ""
}

func (s *jsonScanner) item(index int) bool {
	var items []string
	for s.next(']') {
		value, ok := s.skip()
		if !ok {
			return false
		}
		if len(items) == index {
			s.rest = value
			return true
		}
		items = append(items, value)
	}
	if index >= 0 || -index > len(items) {
		return false
	}
	s.rest = items[len(items)+index]
	return true
}

// next passes the opening bracket or the comma before an item; false at the
// closing one.
func (s *jsonScanner) next(closing byte) bool {
	s.space()
	c := s.peek()
	if c == 0 || c == closing {
		return false
	}
	s.rest = s.rest[1:]
	s.space()
	return s.peek() != closing && s.rest != ""
}
