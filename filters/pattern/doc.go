// Package pattern decides LIKE, ILIKE and regular expressions as Postgres does,
// or says that it is not certain.
//
// Neighbours: filters makes predicates of it. It knows nothing of rows or
// types.
package pattern
