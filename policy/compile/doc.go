// Package compile makes predicates of row-level security: what is left of
// policies for one subject, as conditions that the match index can file.
//
// A compiled policy never shows a row that Postgres would hide. What is not
// certain is refused; then Postgres is asked.
//
// Neighbours: sql reads the expressions, filters evaluates what comes out,
// policy stores it for each subject.
package compile
