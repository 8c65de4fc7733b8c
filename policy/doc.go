// Package policy decides what a subject may see: table and column grants,
// row-level security compiled to predicates or asked of Postgres, and the
// checks of private channels.
//
// Neighbours: channels asks it about changes, filters provides the predicates.
// It knows nothing of sockets or topics' members.
package policy
