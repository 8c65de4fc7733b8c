// Package memory has Go's collector work harder before the process is larger than what
// walcast promises, whatever clients do.
//
// The bounds of queues, of the log, of snapshots and the like are about what is alive. Between
// two collections garbage comes on top, by default as much again as is alive: a flood of
// requests or of rows doubles what the bounds allow for, and memory that was given to
// the process stays with it for a while. So Go gets a limit (debug.SetMemoryLimit) that
// follows from the settings and the sessions. Below it nothing changes: it collects as rarely as it
// does by itself.
//
// Neighbours: cmd/walcast says what the settings allow for and what the machine has, server runs it.
package memory
