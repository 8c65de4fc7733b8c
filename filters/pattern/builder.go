package pattern

import (
	"math/bits"
	"regexp/syntax"
	"slices"
)

const (
	// maxBuildSteps bounds the time in which an automaton is made: 0.3 ms.
	maxBuildSteps = 20_000
	// An automaton has a byte for each state and class: some, and more for large
	// programs.
	maxTable               = 1024
	maxTableForInstruction = 32
	// maxProgram is more instructions than an expression of MaxSize has.
	maxProgram = 320
)

// places are instructions of a program.
type places [maxProgram / 64]uint64

func (p *places) add(at int)      { p[at/64] |= 1 << (at % 64) }
func (p *places) has(at int) bool { return p[at/64]&(1<<(at%64)) != 0 }

// builder makes an automaton of a program. A state is the places where the
// program may be: those that wait for a character or for the end of the text.
type builder struct {
	automaton
	program *syntax.Prog
	takers  []places // by class: what takes its characters
	behind  []places // by instruction: where the program may be when it has taken one
	restart places   // and where it may be as it begins to match anew
	match   int      // the instruction that says so
	states  map[places]uint8
	sets    []places // by state
	steps   int
}

// newAutomaton returns ErrSize if it would be too large, or take too long.
func newAutomaton(program *syntax.Prog) (*automaton, error) {
	b := builder{program: program, states: map[places]uint8{}}
	if len(program.Inst) > maxProgram || !b.classify() {
		return nil, ErrSize
	}
	b.match = slices.IndexFunc(program.Inst, func(in syntax.Inst) bool { return in.Op == syntax.InstMatch })
	first := b.closure(program.Start, syntax.EmptyBeginText)
	if first.has(b.match) {
		return &automaton{always: true}, nil
	}
	b.restart = b.closure(program.Start, 0)
	b.behind = make([]places, len(program.Inst))
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

// explore finds all states, the one at the start of the text first. No later state
// is that one, even with the same places: the text does not start there.
func (b *builder) explore(first places) bool {
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

// closure is where the program may be from an instruction on without taking a
// character, in a place of the text.
func (b *builder) closure(at int, place syntax.EmptyOp) (found places) {
	var seen places
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
			in.Op == syntax.InstEmptyWidth && syntax.EmptyOp(in.Arg)&^place == 0:
			stack = append(stack, int(in.Out))
		case in.Op == syntax.InstMatch || b.waits(at):
			found.add(at)
		}
	}
	return found
}

// waits reports whether anything can come of an instruction later. What waits for
// the start of the text is too late.
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

// follow is the state behind places and a character of a class. It is not ok if
// there are too many.
func (b *builder) follow(from places, class int) (state uint8, ok bool) {
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
	case then == places{}:
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

// endsIn reports whether a text that ends where the program is at places matches.
func (b *builder) endsIn(at places, place syntax.EmptyOp) bool {
	for i := range b.program.Inst {
		if at.has(i) && b.program.Inst[i].Op == syntax.InstEmptyWidth {
			if ends := b.closure(i, place); ends.has(b.match) {
				return true
			}
		}
	}
	return false
}
