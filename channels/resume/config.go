package resume

import "time"

// Config of Clients.
type Config struct {
	// StateFile is where it is kept over a restart what clients have received;
	// "" keeps it nowhere, so that they have to resync then.
	StateFile string
	// Limit is how many topics of clients that are away are remembered.
	Limit int
	// Memory is how long. It is longer than the log's window on purpose: a
	// client that was away for too long is told so, not taken for a new one.
	Memory time.Duration
	// RightAge is how long a client that is away is believed to have the right to
	// a private topic, from when its bookmark was last told so by Allowed. One
	// that comes back later has to resync. nil is for ever.
	RightAge func() time.Duration
}

// memoryBytes bounds what is remembered of clients that are away.
const memoryBytes = 64 << 20
