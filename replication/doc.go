// Package replication reads one Postgres logical replication slot into an
// ordered, bounded log of changes.
//
// It knows pgoutput, relations, positions and the text form of values. It
// knows nothing of topics, sockets or who is listening: consumers hold cursors
// into the Log. Postgres is told only of positions that have left the resume
// window.
//
// Neighbours: channels reads the Log, filters and policy read the Change values
// made here, server runs the Reader.
package replication
