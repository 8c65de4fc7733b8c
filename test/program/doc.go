// Package program runs walcast for the trials of the whole program: built from this
// source, as a process of its own, on a free port.
//
// It knows of walcast what everybody knows who starts one. What a trial does to it,
// and what must come of that, is the trial's.
//
// Neighbours: the tests in drill, access and hostile.
package program
