// Package program runs walcast for the trials of the whole program: built from this
// source, as a process of its own, on a free port.
//
// It knows how walcast is started, asked whether it is ready, and stopped. What is
// done to it in between, and what must come of that, is up to each trial.
//
// Neighbours: havoc, and the tests in drill, livedrill, access and hostile.
package program
