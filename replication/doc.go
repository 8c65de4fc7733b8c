// Package replication reads one Postgres logical replication slot and appends
// what it reads to a log of changes.
//
// It owns the connection: publications, the slot, status updates, heartbeats,
// and what to do about each fault. What it reads is decoded by pgoutput and kept
// by changelog. It knows nothing of topics, clients or their sockets. Postgres
// is told only of positions that have left the resume window.
//
// Neighbours: server runs the Reader; pgoutput, catalog, changelog and wal, below
// this package, do their part without a connection of their own.
package replication
