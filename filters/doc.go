// Package filters decides whether a change concerns a binding: the filter
// grammar of the wire, typed predicates with Postgres' three-valued semantics,
// and the index that finds the bindings a change matches without asking each.
//
// The package never guesses. What Go cannot compare exactly as Postgres does (a
// collation with rules of its own, a type that Go does not know, an unusual
// literal) evaluates to Undecided, and becomes a Call for an Asker: Resolve
// asks when a binding is made, Decide for changes that Index.Match leaves
// undecided.
//
// The package is pure: no I/O of its own, no clock, no goroutine. It knows nothing
// of sockets, topics or of the SQL text of policies; policy hands it a Guard.
//
// Neighbours: channels owns the Index of each shard, policy makes Exprs from
// row-level security and is the Asker, replication makes the rows. Within,
// datum compares values and pattern matches text.
package filters
