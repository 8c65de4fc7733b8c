package pattern

import (
	"strings"
	"unicode/utf8"
)

// wordBits is up to how many bytes a piece may have to be found by searchWord, whose
// state has one bit for each byte of the piece.
const wordBits = 64

// piece is the part of a LIKE pattern between two %. Its code begins and ends with
// a byte that is no wildcard.
type piece struct {
	code   string
	after  int  // how many characters must follow the code, one for each _ at the end
	blanks bool // the code has _ in it
}

// newPiece takes the wildcards off the end of a piece's code. There are none at the
// start, as encode puts every _ before a %.
func newPiece(code string) piece {
	p := piece{code: code}
	for p.code != "" && p.code[len(p.code)-1] == anyChar {
		p.code = p.code[:len(p.code)-1]
		p.after++
	}
	for i := range len(p.code) {
		p.blanks = p.blanks || p.code[i] == anyChar
	}
	return p
}

// searchWord returns where the first occurrence of a piece of up to 64 bytes ends, or
// -1. Bit i of the state says that the text so far ends with the first i+1 bytes of
// the piece (Baeza-Yates and Gonnet, "A new approach to text searching").
func (m *likeMatch) searchWord(p piece) int {
	var indexes [256]uint64 // by byte: a bit for each index in the piece that has it
	var blanks uint64       // a bit for each index that has a wildcard
	for i := range len(p.code) {
		if c := p.code[i]; c == anyChar {
			blanks |= 1 << i
		} else {
			indexes[c] |= 1 << i
		}
	}
	found := uint64(1) << (len(p.code) - 1)
	var state uint64
	for i := range len(m.text) {
		c := m.at(i)
		if utf8.RuneStart(c) {
			state = (state<<1 | 1) & (indexes[c] | blanks)
		} else {
			state = state<<1&indexes[c] | state&blanks // c continues a character, which a wildcard covers whole
		}
		if state&found != 0 {
			return i + 1
		}
	}
	return -1
}

// writeBorders writes, for each prefix of the piece, the length of its longest
// border, which is a shorter text that the prefix both begins and ends with (Knuth,
// Morris and Pratt, "Fast pattern matching in strings").
func (p piece) writeBorders(borders []int32) {
	border := 0
	for i := 1; i < len(p.code); i++ {
		for border > 0 && p.code[border] != p.code[i] {
			border = int(borders[border-1])
		}
		if p.code[border] == p.code[i] {
			border++
		}
		borders[i] = int32(border)
	}
}

// searchLong returns where the first occurrence of a piece without wildcards ends, or
// -1. Most texts lack the piece's start or end. Where case counts these are looked
// for first, as strings.Index takes many bytes at once: for texts of one letter that
// is ten times as fast.
func (m *likeMatch) searchLong(p piece, borders []int32) int {
	start := 0
	if !m.fold {
		// All three occur before the end of the piece's first occurrence, so that the
		// bytes behind it, in which the next piece is searched for, are not looked at.
		last, head, tail := p.code[len(p.code)-1:], p.code[:wordBits/2], p.code[len(p.code)-wordBits/2:]
		if m.find(last, 0) < 0 {
			return -1
		}
		if start = m.find(head, 0); start < 0 || m.find(tail, start) < 0 {
			return -1
		}
	}
	return m.searchBorders(p, borders, start)
}

// find returns the index of a short text in the text behind from, or -1.
func (m *likeMatch) find(short string, from int) int {
	i := strings.Index(m.text[from:], short)
	if i < 0 {
		m.steps += len(m.text) - from
		return -1
	}
	m.steps += i
	return from + i
}

// searchBorders is searchLong from an index on. Where text and piece differ it goes
// on with the longest border of the part that matched, and never back in the text.
func (m *likeMatch) searchBorders(p piece, borders []int32, start int) int {
	shared := 0
	for i := start; i < len(m.text); i++ {
		c := m.at(i)
		for shared > 0 && p.code[shared] != c {
			shared = int(borders[shared-1])
			m.steps++
		}
		if p.code[shared] == c {
			shared++
		}
		if shared == len(p.code) {
			return i + 1
		}
	}
	return -1
}
