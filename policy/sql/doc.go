// Package sql reads the expressions of policies, as Postgres prints them, and
// evaluates what does not depend on the row: constants, the role and the claims.
//
// Its rule is certainty. What it does not know is refused, and what Postgres
// might raise or see differently is ErrUncertain, never guessed; a differential
// test against the server holds it to that.
//
// It knows nothing of tables. Neighbours: compile brings columns in, policy
// reads the catalog.
package sql
