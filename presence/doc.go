// Package presence has the presence of topics, which is what their members track: track,
// untrack, diffs, their merging, and the replicas of several nodes.
//
// State and Replica are pure: no lock, no clock, no randomness, no I/O. Times and
// refs come in as arguments, every operation returns what it changed, and they
// may not be called by two goroutines at once. Rooms is the shell around them,
// for the topics of a project: it has the locks and the clock, tells members
// what changed, and keeps a member present for a grace time when its socket has
// ended. It knows nothing of sockets or of permissions.
//
// Words, as Phoenix uses them: a key names a client, or a user with several, a meta is what one
// channel tracks under a key, a ref (phx_ref) names one meta for good, and a
// diff is the metas that joined and left. docs/protocol.md, "Presence", has the
// protocol.
//
// Neighbours: channels has a Member for each channel; presence/exchange carries Deltas
// between nodes.
package presence
