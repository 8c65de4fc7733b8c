// Package diagnose says what is wrong with a binding or a database: in a
// sentence, with a code for programs and the SQL that cures it.
//
// It has the texts and the checks that a join and the doctor command share. It
// asks the catalog and policy, and knows nothing of sockets, channels or who is
// told.
//
// Neighbours: channels has the bindings of joins checked here, channels/fanout
// tells channels of policies and filters that raised in these words.
package diagnose
