// Package diagnose says what is wrong with a binding or a database: in a
// sentence, with a code for programs and the SQL that cures it.
//
// The package has the texts and the checks that a join and the doctor command
// share. It asks the catalog and policy. It knows nothing of sockets, of channels
// or of the clients that read its texts.
//
// Neighbours: channels has the bindings of joins checked here, channels/fanout takes
// its texts for policies and filters that raised.
package diagnose
