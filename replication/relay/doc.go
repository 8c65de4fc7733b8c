// Package relay has what is sent between the nodes of a cluster so that all of them
// read the WAL of one: batches of the messages that Postgres has sent, what is kept of
// them for nodes that miss some, and the judgement of what a node may take next.
//
// It is given bytes and gives bytes: it has no connection, no clock and no lock. It
// knows nothing of what the messages say, but for those that describe tables.
//
// Neighbours: replication fills it and reads from it, cluster carries the bytes.
package relay
