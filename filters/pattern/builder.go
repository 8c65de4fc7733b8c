package pattern

import (
	"math/bits"
	"regexp/syntax"
	"slices"
)

const (
	// maxBuildSteps bounds the time in which an automaton is made, to about 0.3 ms.
	maxBuildSteps = 20_000
	// An automaton has one byte for each state and class. It may have maxTable of
	// these bytes, and maxTableForInstruction more for each instruction.
	maxTable               = 1024
	maxTableForInstruction = 32
	// maxProgram is the most instructions of a program; an expression of MaxSize has
	// fewer.
	maxProgram = 320
)

// instructions is a set of instructions of a program, by their index.
type instructions [maxProgram / 64]uint64

func (p *instructions) add(at int)      { p[at/64] |= 1 << (at % 64) }
func (p *instructions) has(at int) bool { return p[at/64]&(1<<(at%64)) != 0 }

// builder makes an automaton of a program. A state of the automaton is a set of
// instructions at which the program may be, each of which waits for a character or
// for the end of the text.
type builder struct {
	automaton
	program *syntax.Prog
	takers  []instructions // by class: the instructions that take its characters
	behind  []instructions // by instruction: where the program may be after taking a character
	restart instructions   // where the program may be when it begins to match at a later character
	match   int            // the index of the instruction that reports a match
	states  map[instructions]uint8
	sets    []instructions // by state
	steps   int
}

// newAutomaton makes the automaton of a program. Its error is ErrSize, if the
// automaton would be too large or take too long to make.
func newAutomaton(program *syntax.Prog) (*automaton, error) {
	b := builder{program: program, states: map[instructions]uint8{}}
	if len(program.Inst) > maxProgram || !b.classify() {
		return nil, ErrSize
	}
	b.match = slices.IndexFunc(program.Inst, func(in syntax.Inst) bool { return in.Op == syntax.InstMatch })
	first := b.closure(program.Start, syntax.EmptyBeginText)
	if first.has(b.match) {
		return &automaton{always: true}, nil
	}
	b.restart = b.closure(program.Start, 0)
	b.behind = make([]instructions, len(program.Inst))
	for i := range program.Inst {
		if b.waits(i) {
			b.behind[i] = b.closure(int(program.Inst[i].Out), 0)
		}
	}
	if !b.explore(first) {
		return nil, ErrSize
	}
	a := b.automaton
	a.next, a.atEnd = slices.Clip(a.next), slices.Clip(a.atEnd)
	return &a, nil
}

// explore finds all states, first that at the start of the text. A later state with
// the same instructions is another one, as the text does not start there. It reports
// false if there would be too many.
func (b *builder) explore(first instructions) bool {
	b.sets = append(b.sets, first)
	b.atEnd = append(b.atEnd, b.endsIn(first, syntax.EmptyBeginText|syntax.EmptyEndText))
	for state := 0; state < len(b.sets); state++ {
		for class := range b.classes {
			next, ok := b.follow(b.sets[state], class)
			b.next = append(b.next, next)
			if !ok || b.steps > maxBuildSteps || len(b.next) > maxTable+maxTableForInstruction*len(b.program.Inst) {
				return false
			}
		}
	}
	return true
}

// closure returns where the program may get from an instruction without taking a
// character, where the given assertions about the position in the text hold.
func (b *builder) closure(at int, assertions syntax.EmptyOp) (found instructions) {
	var seen instructions
	for stack := []int{at}; len(stack) > 0; {
		at = stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		b.steps++
		if seen.has(at) {
			continue
		}
		seen.add(at)
		in := &b.program.Inst[at]
		switch {
		case in.Op == syntax.InstAlt || in.Op == syntax.InstAltMatch:
			stack = append(stack, int(in.Out), int(in.Arg))
		case in.Op == syntax.InstCapture || in.Op == syntax.InstNop,
			in.Op == syntax.InstEmptyWidth && syntax.EmptyOp(in.Arg)&^assertions == 0:
			stack = append(stack, int(in.Out))
		case in.Op == syntax.InstMatch || b.waits(at):
			found.add(at)
		}
	}
	return found
}

// waits reports whether an instruction waits for a character or for the end of the
// text. An instruction that waits for the start of the text can no longer succeed.
func (b *builder) waits(at int) bool {
	in := &b.program.Inst[at]
	switch in.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	case syntax.InstEmptyWidth:
		return syntax.EmptyOp(in.Arg)&^syntax.EmptyEndText == 0
	}
	return false
}

// follow returns the state after a set of instructions has met a character of a
// class. It is not ok if there are too many states.
func (b *builder) follow(from instructions, class int) (state uint8, ok bool) {
	then := b.restart
	for word := range from {
		b.steps++
		for taking := from[word] & b.takers[class][word]; taking != 0; taking &= taking - 1 {
			b.steps++
			for i, more := range b.behind[word*64+bits.TrailingZeros64(taking)] {
				then[i] |= more
			}
		}
	}
	switch {
	case then.has(b.match):
		return matched, true
	case then == instructions{}:
		return lost, true
	}
	state, known := b.states[then]
	if !known {
		if len(b.sets) == maxStates {
			return 0, false
		}
		state = uint8(len(b.sets))
		b.states[then] = state
		b.sets = append(b.sets, then)
		b.atEnd = append(b.atEnd, b.endsIn(then, syntax.EmptyEndText))
	}
	return state, true
}

// endsIn reports whether a text matches that ends while the program is at a set of
// instructions, where the given assertions hold.
func (b *builder) endsIn(at instructions, assertions syntax.EmptyOp) bool {
	for i := range b.program.Inst {
		if at.has(i) && b.program.Inst[i].Op == syntax.InstEmptyWidth {
			if ends := b.closure(i, assertions); ends.has(b.match) {
				return true
			}
		}
	}
	return false
}
