// Package filters decides whether a change concerns a binding: the filter
// grammar of the wire, typed predicates with Postgres' three-valued semantics,
// and the index that finds the bindings a change matches without asking each.
//
// It is pure: no I/O, no clock, no goroutine. It knows nothing of sockets,
// topics or of the SQL text of policies; policy hands it a Guard.
//
// Neighbours: channels owns the Index of each shard, policy makes Exprs from
// row-level security, replication makes the rows.
package filters
