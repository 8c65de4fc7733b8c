package spread

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"walcast/protocol"
)

// address is where the broadcasts of a topic are sent. Names may have anything, and
// subjects may not.
type address struct {
	subject string // behind the prefix of the cluster
	digest  uint64 // names the topic in summaries
}

func addressOf(key protocol.Topic) address {
	name := make([]byte, 0, 128)
	name = append(name, bit(key.Private, 1))
	sum := sha256.Sum256(append(name, key.Name...))
	return address{"broadcast." + hex.EncodeToString(sum[:16]), binary.BigEndian.Uint64(sum[:])}
}
