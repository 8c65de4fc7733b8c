// Package cluster is the bus between the nodes of a cluster: walcasts that have the
// same slot. It carries messages over NATS, a server of which runs within each node
// or elsewhere, and keeps the directory of the nodes that are there.
//
// The bus may lose messages, and says so of none: whoever sends what must not be lost
// numbers it. Nothing that comes over the bus grants anything.
//
// Neighbours: server says what this node is, and has replication send the WAL over
// the bus. It knows nothing of filters, policies and rows.
package cluster
