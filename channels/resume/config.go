package resume

import (
	"time"

	"walcast/protocol"
)

// Config of Clients.
type Config struct {
	// StateFile is where the server keeps over a restart what clients have
	// received; "" keeps it nowhere, so that they have to resync then.
	StateFile string
	// Limit is how many topics of clients that are away are remembered.
	Limit int
	// Memory is how long clients that are away are remembered. It is longer
	// than the log's window on purpose: a client that was away for too long is
	// told so, and not taken for a new one.
	Memory time.Duration
	// Shared says that other servers have clients which may come here. One that is not
	// known is told to resync, also if nobody has seen it before.
	Shared bool
	// Quiet reports whether nothing was broadcast to a topic after a number, as far as it
	// has come. It is called while clients are locked. nil means that this is not known.
	Quiet func(t protocol.Topic, heard uint64) bool
	// RightAge is how long a client that is away is believed to have the right
	// to a private topic, from the last call of Allowed on. A client that comes
	// back later has to resync. nil means for ever.
	RightAge func() time.Duration
}

// memoryBytes bounds what is remembered of clients that are away.
const memoryBytes = 64 << 20
