// Package policy decides what a subject may see: table and column grants,
// row-level security compiled to predicates or asked of Postgres, and the
// checks of private channels.
//
// Postgres is asked as the subject itself, in a transaction of its own, with the
// values of the change; so the answer is that of the change, and exact. That runs
// code of users (policies, functions, checks of domains): read only, rolled back
// and never with our own rights, as far as Postgres allows, see AskOver. What is
// compiled (packages sql and compile) must never show a row that Postgres would
// hide: a differential test with random policies, rows, roles and claims holds
// both to the server.
//
// What is known of a relation is filed by its pointer, so a Relation message
// makes it anew in WAL order; what hangs on roles has a time limit besides.
//
// Neighbours: channels asks it about changes and topics, filters provides the
// predicates. It knows nothing of sockets or of a topic's members.
package policy
