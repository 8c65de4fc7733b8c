// Package livedrill checks that clients with views always have what SELECT says:
// writers change rows in transactions, policies, grants, memberships and columns change,
// connections are cut, and the server and Postgres are killed, all at random. Whenever a
// client is answered that it has caught up, what it holds is compared with what its
// subject selects at that snapshot.
//
// It knows walcast only from outside, as a program and a protocol. What was committed, in
// which order, it has from Postgres' own decoding. It is done again, transaction by
// transaction, in a second Postgres, which then says what a subject selects: so
// nothing of walcast decides what is right.
//
// The rules of access do not stand in the WAL, and walcast has a second or two to notice
// that they have changed. The steward writes the rules that it makes into a table, in the
// transaction that makes them, and what a client holds must be right by some rules that were
// in force shortly before it asked, or since.
//
// judge.go and model.go decide and are pure; shadow.go asks; everything else makes the mess
// and takes notes.
package livedrill
