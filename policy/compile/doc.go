// Package compile makes predicates of row-level security: what is left of
// policies for one subject, as conditions that the match index can file.
//
// A compiled policy never shows a row that Postgres would hide. A policy that cannot be
// compiled with certainty is refused, and Postgres is asked instead.
//
// Neighbours: sql reads the expressions, filters evaluates the compiled predicates,
// policy stores them for each subject.
package compile
