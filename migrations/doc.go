// Package migrations makes the optional schema realtime: the table of messages sent
// from SQL and of private channels' policies, its daily partitions, the functions
// that send, and the publication that the server reads them by. Row changes need
// none of it.
//
// The SQL is in the files beside this one, plain and forward only. What was
// made is written down in realtime.walcast_migrations, so that Remove takes
// back exactly that. A schema realtime that somebody else made, such as
// Supabase, is used as it is and never altered, but for partitions that it
// lacks. Everything works as an ordinary owner of the database.
//
// Advisory locks belong to a Postgres session: never hand in a connection that
// goes through a pooler in transaction mode.
//
// Neighbours: cmd runs it for `walcast migrate`, server for `--migrate` and for
// the upkeep.
package migrations
