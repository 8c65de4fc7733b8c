package pattern

import (
	"fmt"
	"regexp/syntax"
	"strings"
)

// MaxSize is the most instructions of an expression that Go evaluates. A repeat is
// compiled to copies of what it repeats, so a few kilobytes of expression could
// become a gigabyte. Larger expressions are left to Postgres, which has a time
// limit.
const MaxSize = 256

// Regexp is a compiled pattern of ~ or ~* that Go and Postgres read alike. A match
// takes one step for each character of the text.
type Regexp struct {
	automaton *automaton
	ascii     bool // only matches of ASCII text are certain
}

// Compile compiles a regular expression that Go and Postgres read alike. Its errors,
// ErrSyntax and ErrSize, say why only Postgres can evaluate the expression.
//
// Alike are plain characters, the dot, groups, alternatives, the anchors at
// both ends, * + ? {m,n} and their lazy forms, sets of ASCII characters, \d \w
// \s on ASCII text, and escaped punctuation. Go lacks the rest of Postgres' syntax,
// or reads it in another way.
func (es *Expressions) Compile(pattern string, fold Case) (Regexp, error) {
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
	a, err := es.compile(flags + pattern)
	return Regexp{a, ascii}, err
}

// compile makes the automaton of an expression that begins with its flags.
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

// Size returns an upper limit of the instructions that Go makes of a pattern. It is 0
// for patterns that Compile leaves to Postgres without compiling them.
func Size(pattern string) int {
	s := scanner{rest: pattern}
	if size, ok := s.alternatives(0); ok && s.rest == "" && size <= MaxSize {
		return size
	}
	return 0
}

// Bytes returns an upper limit of the memory that a compiled pattern takes.
func Bytes(pattern string) int {
	return 512 + maxTable + len(pattern) + 2*maxTableForInstruction*Size(pattern)
}

// Match reports whether the expression matches somewhere in the text. certain
// is false when only Postgres can say.
func (r Regexp) Match(text string) (matches, certain bool) {
	// For Postgres \s includes the vertical tab, for Go it does not.
	if r.ascii && (!isASCII(text) || strings.IndexByte(text, '\v') >= 0) {
		return false, false
	}
	return r.automaton.match(text), true
}
