// Package channels knows who is joined to what and what they get: topics,
// joins, bindings, the shards that follow the log, and fan-out.
//
// Neighbours: it reads replication's log with filters and policy, builds
// frames with protocol and hands them to an outbox that gateway provides. It
// knows nothing of HTTP or SQL.
package channels
