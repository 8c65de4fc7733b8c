// Package live is what clients need that keep a table: the rows that it begins with,
// and when all that they wait for has been sent.
//
// Snapshots reads the rows that bindings with a snapshot begin with, as the subject,
// and finds where in the log the changes begin that these do not have. Equal requests
// share an answer, and the rows stay in bounded memory until their clients have taken
// them.
//
// A client asks with progress: for a transaction, a position, or the end of the
// WAL. The Tracker keeps what they wait for, asks Postgres for all of them together
// how far its transactions and its WAL are, and answers each on its channel, in
// its place among the rows, once the channel has come as far.
//
// The package sends nothing of its own accord: a Channel says up to where it has sent
// everything, and takes the answers; channels/fanout sends the rows.
//
// Neighbours: channels has the channels, channels/fanout asks for snapshots,
// replication/catalog says what Postgres knows, changelog how far the log is.
package live
