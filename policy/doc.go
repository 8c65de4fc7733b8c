// Package policy decides what a subject may see: table and column grants,
// row-level security compiled to predicates or asked of Postgres, and the
// checks of private channels.
//
// Postgres is asked as the subject itself, in a transaction of its own, and with the
// values of the change, so that the answer holds for exactly that change. Asking
// runs code of users (policies, functions, checks of domains). It runs read only and
// is rolled back. Such code can get back the rights of the session's user, for example
// by "reset role": that user should have none beyond membership in the roles that
// tokens name, see "The role that serves" in docs/operations.md. A compiled policy
// (packages sql and compile) must never show a row that Postgres would hide; a
// differential test with random policies, rows, roles and claims compares both with
// the server.
//
// What is known of a relation is kept under the pointer of its wal.Relation. A
// Relation message makes a new one, so that the catalog is read again exactly in WAL
// order. What depends on roles expires with time as well.
//
// Neighbours: channels asks about changes and topics, filters provides the
// predicates. The package knows nothing of sockets or of a topic's members.
package policy
