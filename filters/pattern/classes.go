package pattern

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// classify finds the classes of characters that no instruction tells apart. It
// reports false if that takes too long.
func (b *builder) classify() bool {
	program := b.program.Inst
	b.starts = []rune{0}
	for i := range program {
		b.starts = append(b.starts, edges(&program[i])...)
	}
	slices.Sort(b.starts)
	b.starts = slices.Clip(slices.Compact(b.starts))
	if b.steps += len(b.starts) * len(program); b.steps > maxBuildSteps {
		return false
	}
	known := map[instructions]uint8{}
	for _, start := range b.starts {
		var taking instructions
		for i := range program {
			if takes(&program[i], start) {
				taking.add(i)
			}
		}
		class, seen := known[taking]
		if !seen {
			if len(known) == maxStates {
				return false
			}
			class = uint8(len(known))
			known[taking] = class
			b.takers = append(b.takers, taking)
		}
		b.classOf = append(b.classOf, class)
	}
	b.classes = len(known)
	for c := range b.ascii {
		b.ascii[c] = b.class(rune(c))
	}
	return true
}

// edges returns the first characters of the intervals that an instruction takes, and
// the first character behind each interval.
func edges(in *syntax.Inst) (at []rune) {
	switch in.Op {
	case syntax.InstRune, syntax.InstRune1:
	default:
		return nil
	}
	if len(in.Rune) == 1 {
		at = append(at, in.Rune[0], in.Rune[0]+1)
		if syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
			for r := unicode.SimpleFold(in.Rune[0]); r != in.Rune[0]; r = unicode.SimpleFold(r) {
				at = append(at, r, r+1)
			}
		}
		return at
	}
	for i := 0; i+1 < len(in.Rune); i += 2 {
		at = append(at, in.Rune[i], in.Rune[i+1]+1)
	}
	return at
}

// takes reports whether an instruction takes a character.
func takes(in *syntax.Inst, r rune) bool {
	switch in.Op {
	case syntax.InstRune, syntax.InstRune1:
		return in.MatchRune(r)
	case syntax.InstRuneAny:
		return true
	case syntax.InstRuneAnyNotNL:
		return r != '\n'
	}
	return false
}
