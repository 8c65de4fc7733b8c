package pattern

import (
	"fmt"
	"regexp"
	"strings"
)

// Bounds of the expressions that Go evaluates. What is larger is left to
// Postgres, which has a time limit. Go takes as many steps as instructions times
// bytes at worst, and its compiler copies what is repeated: nested repeats
// make a gigabyte of a few kilobytes.
const (
	MaxSize = 256 // instructions
	// smallSize is the size up to which the length of the text does not matter.
	smallSize = 32
	// maxSteps bounds size times bytes of text for those that are larger.
	maxSteps = 1 << 20
)

// Regexp is a compiled pattern of ~ or ~*, if it is one that Go and Postgres
// read alike.
type Regexp struct {
	expression *regexp.Regexp
	size       int
	ascii      bool // certain for ASCII text only
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
	expression, err := expressions.compile(flags + pattern)
	if err != nil {
		return Regexp{}, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return Regexp{expression, size, ascii}, nil
}

// Size is how many instructions Compile would make of a pattern, at most: about
// as many as it takes steps for a byte of text at worst. It is 0 for patterns
// that Compile leaves to Postgres.
func Size(pattern string) int {
	s := scanner{rest: pattern}
	if size, ok := s.alternatives(0); ok && s.rest == "" && size <= MaxSize {
		return size
	}
	return 0
}

// Bytes is how much memory a pattern takes that Compile has compiled, at most.
// For those that begin at the start of the text Go keeps with each instruction
// all characters that may come next.
func Bytes(pattern string) int {
	size := Size(pattern)
	n := 1024 + 96*size + len(pattern)
	if strings.HasPrefix(pattern, "^") {
		n += 4 * size * size
	}
	return n
}

// Match reports whether the expression matches somewhere in the text. certain
// is false when only Postgres can say.
func (r Regexp) Match(text string) (matches, certain bool) {
	if r.size > smallSize && len(text) > maxSteps/r.size {
		return false, false
	}
	// Postgres counts the vertical tab among \s, Go does not.
	if r.ascii && (!isASCII(text) || strings.IndexByte(text, '\v') >= 0) {
		return false, false
	}
	return r.expression.MatchString(text), true
}
