package pattern

import (
	"runtime"
	"sync"
	"weak"
)

// expressions are the compiled regular expressions that filters hold. Filters with
// equal expressions share one automaton. The garbage collector removes an entry
// when no filter holds its automaton any more.
var expressions = shared{entries: map[string]weak.Pointer[automaton]{}}

// shared is a set of automata that are freed when nothing else holds them.
type shared struct {
	mu      sync.Mutex
	entries map[string]weak.Pointer[automaton] // by expression, with its flags
}

// compile returns the automaton of an expression, which it makes if there is none.
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
		return e, nil // another goroutine has made it meanwhile
	}
	s.entries[text] = weak.Make(compiled)
	runtime.AddCleanup(compiled, s.forget, text)
	return compiled, nil
}

// find returns the automaton of an expression, or nil.
func (s *shared) find(text string) *automaton {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[text].Value()
}

// forget removes the entry of an automaton that was freed, unless the expression was
// compiled again meanwhile.
func (s *shared) forget(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.entries[text]; ok && e.Value() == nil {
		delete(s.entries, text)
	}
}
