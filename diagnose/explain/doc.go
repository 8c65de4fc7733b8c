// Package explain says what becomes of a binding for a subject: how changes find it, how it
// is decided which rows the subject may see, and, of a row, whether the subject would get it
// and if not, what says no.
//
// It asks what a join and a delivery ask: package diagnose checks the binding, filters says
// how it is filed and whether it holds, policy whether the row may be seen. What Postgres
// has to evaluate it evaluates as the subject, read only. The rules are those of now, and the
// row need not be in the table.
//
// Neighbours: server has questions answered for the command and for /api/explain; doctor
// looks at a whole database.
package explain
