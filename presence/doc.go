// Package presence is the state machine of what is present on a topic: track,
// untrack, diffs, their merging, and the replicas of several nodes.
//
// It is pure: no lock, no clock, no randomness, no I/O. Times and refs come in
// as arguments, every operation returns what it changed, and nothing here may
// be called by two goroutines at once. It knows nothing of channels, sockets
// or of access to a topic.
//
// Words, as Phoenix uses them: a key names a client or user that is present, a
// meta is what one channel tracks under a key, a ref (phx_ref) names one meta for
// good, and a diff is the metas that joined and left. The protocol is in
// docs/protocol.md, "Presence".
//
// Neighbours: channels holds a State or a Replica for each topic under its
// lock; cluster carries Deltas and Fulls between nodes.
package presence
