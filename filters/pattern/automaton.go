package pattern

import (
	"sort"
	"unicode/utf8"
)

// automaton decides whether a regular expression matches somewhere in a text, with
// one look-up for each character. It is deterministic, immutable and complete from
// the start: expressions that would need too many states are left to Postgres.
type automaton struct {
	ascii   [utf8.RuneSelf]uint8 // the class of each character of ASCII
	starts  []rune               // the first characters of intervals of one class, sorted
	classOf []uint8              // by index in starts: the class of the interval
	classes int
	next    []uint8 // by state and class: the state that follows
	atEnd   []bool  // whether a text that ends in a state matches
	always  bool    // every text matches
}

// Numbers in next that end the match, and the most states that there may be.
const (
	matched   = 255 // the text matches, whatever follows
	lost      = 254 // the text does not match, whatever follows
	maxStates = 250
)

// match reports whether the expression matches somewhere in the text.
func (a *automaton) match(text string) bool {
	if a.always {
		return true
	}
	state := 0
	for i := 0; i < len(text); {
		var class uint8
		if c := text[i]; c < utf8.RuneSelf {
			class = a.ascii[c]
			i++
		} else {
			r, n := utf8.DecodeRuneInString(text[i:])
			class = a.class(r)
			i += n
		}
		state = int(a.next[state*a.classes+int(class)])
		switch state {
		case matched:
			return true
		case lost:
			return false
		}
	}
	return a.atEnd[state]
}

// class returns the class of a character.
func (a *automaton) class(r rune) uint8 {
	return a.classOf[sort.Search(len(a.starts), func(i int) bool { return a.starts[i] > r })-1]
}
