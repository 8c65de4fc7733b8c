// Package topics knows the members of each topic and brings them broadcasts:
// those of clients and of HTTP to all members of a topic, in one order;
// messages from SQL to the members that a delivery of package fanout names;
// missed ones to clients that come back; and stored messages to members that
// ask for a replay.
//
// It knows nothing of bindings, of where the log is read, or of permissions.
//
// Neighbours: channels joins a Member for each channel, fanout's deliveries
// bring messages from SQL, and resume keeps the Past over a restart.
package topics
