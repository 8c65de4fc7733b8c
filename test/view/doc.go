// Package view tests that a view has, for each of its clients, what SELECT would give
// them: whatever is written, whoever may see it, and whatever of that is changed.
//
// It has a server of its own in each test, real clients, and a Postgres that all tests
// share. What a client has is compared with what its subject selects at the moment of an
// answer to progress. There is nothing to import here.
package view
