package pattern

import (
	"sort"
	"unicode/utf8"
)

// automaton decides whether an expression matches somewhere in a text, with one
// look-up for each character, whatever the expression is. It is deterministic and
// made whole beforehand: expressions of which it would have too many states are
// left to Postgres. It is immutable.
type automaton struct {
	ascii   [utf8.RuneSelf]uint8 // the class of each character of ASCII
	starts  []rune               // where intervals of characters of one class begin, sorted
	classOf []uint8              // of each interval
	classes int
	next    []uint8 // the state behind a state and a class
	atEnd   []bool  // whether a text that ends in a state matches
	always  bool    // every text matches
}

// States that are none: what follows does not matter.
const (
	matched   = 255
	lost      = 254
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

func (a *automaton) class(r rune) uint8 {
	return a.classOf[sort.Search(len(a.starts), func(i int) bool { return a.starts[i] > r })-1]
}
