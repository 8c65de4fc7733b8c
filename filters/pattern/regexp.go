package pattern

import (
	"fmt"
	"regexp/syntax"
	"strings"
)

// MaxSize is how many instructions an expression may have that Go evaluates:
// repeats are copies of what they repeat, and so a few kilobytes can make a
// gigabyte. What is larger, or has too many states, is left to Postgres, which
// has a time limit.
const MaxSize = 256

// Regexp is a compiled pattern of ~ or ~*, if it is one that Go and Postgres
// read alike. A match takes one step for each character of the text.
type Regexp struct {
	automaton *automaton
	ascii     bool // certain for ASCII text only
}

// Compile compiles what both read alike. Its errors, ErrSyntax and ErrSize, say
// why only Postgres can.
// Alike are plain characters, the dot, groups, alternatives, the anchors at
// both ends, * + ? {m,n} and their lazy forms, sets of ASCII characters, \d \w
// \s on ASCII text, and escaped punctuation. Everything else of Postgres'
// syntax Go lacks or reads in another way.
func Compile(pattern string, fold Case) (Regexp, error) {
	s := scanner{rest: pattern}
	size, ok := s.alternatives(0)
	ascii := s.classes
	flags := "(?s)"
	if fold != Exact {
		// Go folds all of Unicode: the Kelvin sign is a k.
		ok = ok && isASCII(pattern)
		flags, ascii = "(?is)", true
	}
	switch {
	case !ok || s.rest != "":
		return Regexp{}, ErrSyntax
	case size > MaxSize:
		return Regexp{}, ErrSize
	}
	a, err := expressions.compile(flags + pattern)
	return Regexp{a, ascii}, err
}

// compile makes the automaton of an expression with its flags.
func compile(expression string) (*automaton, error) {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return newAutomaton(program)
}

// Size is how many instructions Go makes of a pattern, at most. It is 0 for
// patterns that Compile leaves to Postgres at first sight.
func Size(pattern string) int {
	s := scanner{rest: pattern}
	if size, ok := s.alternatives(0); ok && s.rest == "" && size <= MaxSize {
		return size
	}
	return 0
}

// Bytes is how much memory a pattern takes that Compile has compiled, at most.
func Bytes(pattern string) int {
	return 512 + maxTable + len(pattern) + 2*maxTableForInstruction*Size(pattern)
}

// Match reports whether the expression matches somewhere in the text. certain
// is false when only Postgres can say.
func (r Regexp) Match(text string) (matches, certain bool) {
	// Postgres counts the vertical tab among \s, Go does not.
	if r.ascii && (!isASCII(text) || strings.IndexByte(text, '\v') >= 0) {
		return false, false
	}
	return r.automaton.match(text), true
}
