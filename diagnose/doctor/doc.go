// Package doctor examines a database before anybody waits for a change of it: the
// server and its settings, the roles, the slots, the publications, the tables, and what
// a join of each table would be told.
//
// What is read of the database are plain values (facts), and the checks are functions
// of these. Joins are checked as they are for clients, by package diagnose. The
// package only reads: the SQL of a finding is run by whoever has read it.
//
// Neighbours: server has a database examined for the command, for GET /api/doctor and
// at its start; diagnose checks bindings and knows their cures; replication knows slots.
package doctor
