// Package datum reads values in Postgres' text form and compares them as
// Postgres does: it knows the order and the equality of types, which literals
// a type accepts, and how it refuses the others.
//
// Its rule is certainty. What is not proven equal to Postgres by the
// differential test beside it (odd literals, unknown types, text in a collation
// with rules of its own) is reported as uncertain, never guessed.
//
// It knows nothing of rows or filters. Neighbours: filters
// makes predicates of it, replication describes the types.
package datum
