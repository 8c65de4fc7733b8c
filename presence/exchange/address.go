package exchange

import (
	"crypto/sha256"
	"encoding/hex"

	"walcast/protocol"
)

// The subjects that all nodes listen to, and that of one node.
const subjectAll = "presence"

func subjectOf(run string) string { return subjectAll + "." + run }

// digest names a topic. Clients choose names, so it is too long for two of one digest to
// be found.
type digest [16]byte

func digestOf(t protocol.Topic) (d digest) {
	name := make([]byte, 0, 128)
	name = append(name, bit(t.Private, 1))
	sum := sha256.Sum256(append(name, t.Name...))
	copy(d[:], sum[:])
	return d
}

// subject is where the deltas of a topic are sent. Names may have anything, and subjects
// may not.
func (d digest) subject() string { return subjectAll + ".topic." + hex.EncodeToString(d[:]) }
