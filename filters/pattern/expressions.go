package pattern

import (
	"runtime"
	"sync"
	"weak"
)

// Expressions are the compiled regular expressions that filters hold. Equal ones
// share one automaton. The garbage collector removes an entry when no filter holds
// its automaton any more. They are safe for concurrent use; nil shares nothing.
type Expressions struct {
	mu      sync.Mutex
	entries map[string]weak.Pointer[automaton] // by expression, with its flags
}

// NewExpressions returns an empty set.
func NewExpressions() *Expressions {
	return &Expressions{entries: map[string]weak.Pointer[automaton]{}}
}

// compile returns the automaton of an expression, which it makes if there is none.
func (es *Expressions) compile(text string) (*automaton, error) {
	if es == nil {
		return compile(text)
	}
	if e := es.find(text); e != nil {
		return e, nil
	}
	compiled, err := compile(text)
	if err != nil {
		return nil, err
	}
	es.mu.Lock()
	defer es.mu.Unlock()
	if e := es.entries[text].Value(); e != nil {
		return e, nil // another goroutine has made it meanwhile
	}
	es.entries[text] = weak.Make(compiled)
	runtime.AddCleanup(compiled, es.forget, text)
	return compiled, nil
}

// find returns the automaton of an expression, or nil.
func (es *Expressions) find(text string) *automaton {
	es.mu.Lock()
	defer es.mu.Unlock()
	return es.entries[text].Value()
}

// forget removes the entry of an automaton that was freed, unless the expression was
// compiled again meanwhile.
func (es *Expressions) forget(text string) {
	es.mu.Lock()
	defer es.mu.Unlock()
	if e, ok := es.entries[text]; ok && e.Value() == nil {
		delete(es.entries, text)
	}
}
