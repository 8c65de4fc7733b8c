// Package changelog keeps the bounded, ordered history of changes that all
// consumers read.
//
// A Log has one writer and any number of readers, each with a Cursor. It knows
// which positions it still has and which history they belong to, and tells a
// consumer that asks for another one to resync. It knows nothing of Postgres:
// what may be confirmed to the server it says as an LSN.
//
// Neighbours: replication writes, channels and server read.
package changelog
