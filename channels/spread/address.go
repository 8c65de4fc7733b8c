package spread

import (
	"encoding/hex"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// address is where the broadcasts of a topic are sent. Names may have anything, and
// subjects may not.
type address struct {
	subject string // behind the prefix of the cluster
	digest  uint64 // names the topic in summaries
}

func addressOf(key protocol.Topic) address {
	sum := nodes.Hash(key.Name, key.Private)
	return address{"broadcast." + hex.EncodeToString(sum[:16]), nodes.Digest(key.Name, key.Private)}
}
