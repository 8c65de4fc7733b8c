// Package spread brings broadcasts to the members that their topics have on other nodes
// of a cluster, in the order in which each node sends them, and notices those that do
// not arrive.
//
// A node has the bus send it what is broadcast to topics with members here, or with
// clients that may come back. It says again and again what it has sent itself lately, so
// that others see what they lack: the bus loses messages and says so of none. Nothing
// that comes over the bus says who may get it: topics decide that here as for any
// broadcast.
//
// Neighbours: topics has the members; package cluster is the bus, which server brings
// here; channels runs it. It knows nothing of sessions and permissions.
package spread
