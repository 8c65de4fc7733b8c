package pattern

import (
	"strings"
	"unicode/utf8"
)

// wordBits is how many bytes a literal may have for which a word holds all
// places at which it may have begun.
const wordBits = 64

// literal is a piece of a LIKE pattern that is searched for. It begins and ends
// with a byte that is no wildcard.
type literal struct {
	code   string
	after  int  // characters that must follow
	blanks bool // it has wildcards for a character
}

// newLiteral takes the wildcards at the end of a piece apart: how code writes
// wildcards, none is at the start.
func newLiteral(piece string) literal {
	l := literal{code: piece}
	for l.code != "" && l.code[len(l.code)-1] == anyChar {
		l.code = l.code[:len(l.code)-1]
		l.after++
	}
	for i := range len(l.code) {
		l.blanks = l.blanks || l.code[i] == anyChar
	}
	return l
}

// searchWord finds the end of the first place of a literal of up to 64 bytes, or
// -1. Bit i of the state says that the text so far ends with the first i+1
// places of the literal (Baeza-Yates and Gonnet, "A new approach to text
// searching").
func (m *likeMatch) searchWord(l literal) int {
	var places [256]uint64 // where in the literal a byte stands
	var blanks uint64
	for i := range len(l.code) {
		if c := l.code[i]; c == anyChar {
			blanks |= 1 << i
		} else {
			places[c] |= 1 << i
		}
	}
	found := uint64(1) << (len(l.code) - 1)
	var state uint64
	for i := range len(m.text) {
		c := m.at(i)
		if utf8.RuneStart(c) {
			state = (state<<1 | 1) & (places[c] | blanks)
		} else {
			state = state<<1&places[c] | state&blanks // a character goes on
		}
		if state&found != 0 {
			return i + 1
		}
	}
	return -1
}

// writeBorders writes, for each start of the literal, the length of its longest
// border: what it begins and ends with, short of itself (Knuth, Morris and
// Pratt, "Fast pattern matching in strings").
func (l literal) writeBorders(borders []int32) {
	border := 0
	for i := 1; i < len(l.code); i++ {
		for border > 0 && l.code[border] != l.code[i] {
			border = int(borders[border-1])
		}
		if l.code[border] == l.code[i] {
			border++
		}
		borders[i] = int32(border)
	}
}

// searchLong finds the end of the first place of a literal without wildcards, or
// -1. Most texts lack its start or its end, which is found out many bytes at once
// where case counts: for texts of one letter that is ten times as fast.
func (m *likeMatch) searchLong(l literal, borders []int32) int {
	start := 0
	if !m.fold {
		// All stand before the end of the first place, so that no byte behind it is
		// looked at: the next literal is searched for there.
		last, head, tail := l.code[len(l.code)-1:], l.code[:wordBits/2], l.code[len(l.code)-wordBits/2:]
		if m.find(last, 0) < 0 {
			return -1
		}
		if start = m.find(head, 0); start < 0 || m.find(tail, start) < 0 {
			return -1
		}
	}
	return m.searchBorders(l, borders, start)
}

// find is where a short text stands, from a place on, or -1.
func (m *likeMatch) find(short string, from int) int {
	i := strings.Index(m.text[from:], short)
	if i < 0 {
		m.steps += len(m.text) - from
		return -1
	}
	m.steps += i
	return from + i
}

// searchBorders is searchLong from a place on. Where text and literal part it goes
// on with the longest border of what they share, and never back in the text.
func (m *likeMatch) searchBorders(l literal, borders []int32, start int) int {
	shared := 0
	for i := start; i < len(m.text); i++ {
		c := m.at(i)
		for shared > 0 && l.code[shared] != c {
			shared = int(borders[shared-1])
			m.steps++
		}
		if l.code[shared] == c {
			shared++
		}
		if shared == len(l.code) {
			return i + 1
		}
	}
	return -1
}
