package pattern

import (
	"runtime"
	"strings"
	"sync"
	"weak"
)

// expressions are the compiled expressions that somebody holds: equal ones are
// one, however many filters have them. The collector of garbage takes out what
// nobody holds any more.
var expressions = shared{entries: map[string]weak.Pointer[automaton]{}}

type shared struct {
	mu      sync.Mutex
	entries map[string]weak.Pointer[automaton] // by the text with its flags
}

// compile returns the expression of a text.
func (s *shared) compile(text string) (*automaton, error) {
	if e := s.find(text); e != nil {
		return e, nil
	}
	compiled, err := compile(text)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[text].Value(); e != nil {
		return e, nil // somebody else was faster
	}
	s.entries[text] = weak.Make(compiled)
	runtime.AddCleanup(compiled, s.forget, text)
	return compiled, nil
}

func (s *shared) find(text string) *automaton {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[text].Value()
}

// forget takes an entry out, unless its text was compiled again meanwhile.
func (s *shared) forget(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[text]; ok && e.Value() == nil {
		delete(s.entries, text)
	}
}

// Held is how many different expressions somebody holds, and their bytes.
func Held() (n, bytes int) {
	expressions.mu.Lock()
	defer expressions.mu.Unlock()
	for text, e := range expressions.entries {
		if e.Value() != nil {
			n++
			_, pattern, _ := strings.Cut(text, ")")
			bytes += Bytes(pattern)
		}
	}
	return n, bytes
}
