// Package pgoutput decodes the messages of Postgres' output plugin of that name,
// protocol version 1, into the values of package wal.
//
// It is given bytes and gives changes: it has no connection, no clock and no
// lock. What the messages do not say of a relation, types and primary keys, it
// asks of a function that it is given.
//
// Neighbours: replication brings the messages, catalog says what it asks for,
// changelog takes the changes.
package pgoutput
