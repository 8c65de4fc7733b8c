// Package datum reads values in Postgres' text form and compares them as
// Postgres does: it knows the order and the equality of types, which literals
// a type accepts, and how it refuses the others.
//
// The package never guesses. It reports as uncertain whatever its differential test
// has not shown to be equal to Postgres: unusual literals, unknown types, text in a
// collation with rules of its own.
//
// It knows nothing of rows or filters. Neighbours: filters makes predicates of its
// types and values, replication/wal describes the types of columns.
package datum
