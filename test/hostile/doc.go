// Package hostile checks that no client stalls another, and that none fills the
// server's memory: attackers do to a walcast with default settings what they can
// think of, one attack at a time, beside a victim that only wants what is its own.
//
// It knows walcast only from outside, as a program and a protocol. The victim's
// rows are numbered; what it must receive, and from when, is known from their
// commits. The attackers are a process of their own with less claim to the
// processors, as in the world they are on machines of their own.
//
// stream.go and verdict.go judge and are pure; attack.go lists the attacks, each
// of which is one type in a file of its name; everything else runs them.
package hostile
