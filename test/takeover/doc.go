// Package takeover tries what becomes of clients when several walcasts have one slot
// and the one that reads it is killed, frozen, cut off from Postgres or replaced in a
// rolling deploy.
//
// It knows processes, their /readyz and what clients are sent. It knows nothing of how
// a walcast finds out that another is gone.
//
// Neighbours: test/program starts the processes; replication has the tests of a single
// reader that stands by.
package takeover
