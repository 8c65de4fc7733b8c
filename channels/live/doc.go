// Package live is what clients need that keep a table: it tells them when all that
// they wait for has been sent.
//
// A client asks with progress: for a transaction, a position, or the end of the
// WAL. The Tracker keeps what they wait for, asks Postgres for all of them together
// how far its transactions and its WAL are, and answers each on its channel, in
// its place among the rows, once the channel has come as far.
//
// The package sends nothing of its own accord and knows nothing of rows: a Channel
// says up to where it has sent everything, and takes the answers.
//
// Neighbours: channels has the channels, replication/catalog says what Postgres
// knows, changelog how far the log is.
package live
