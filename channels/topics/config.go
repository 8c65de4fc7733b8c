package topics

import "time"

// Config of Topics.
type Config struct {
	// Window is how long a broadcast is kept for clients that come back.
	Window time.Duration
	// MaxTopics is of how many topics broadcasts are kept. Beyond it the topic
	// that its clients left longest ago is dropped, and they are told that they
	// missed broadcasts when they come back.
	MaxTopics int
	// MaxBroadcastBytes is the size of a payload above which a message from SQL
	// is not delivered.
	MaxBroadcastBytes int
	// PrivateLogicalMessages reports whether logical messages may go to private
	// topics at present; nil means never.
	PrivateLogicalMessages func() bool
	// Archive is where replays come from; nil refuses them.
	Archive Archive
	// Nodes are the other nodes of the cluster; nil without one.
	Nodes Nodes
	// Resynced is called with a code when a client is told that it missed
	// broadcasts; nil counts nothing.
	Resynced func(code string)
}
