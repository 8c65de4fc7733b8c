package exchange

import (
	"encoding/hex"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// The subjects that all nodes listen to, and that of one node.
const subjectAll = "presence"

func subjectOf(run string) string { return subjectAll + "." + run }

// digest names a topic. Clients choose names, so it is too long for two of one digest to
// be found.
type digest [16]byte

func digestOf(t protocol.Topic) (d digest) {
	sum := nodes.Hash(t.Name, t.Private)
	copy(d[:], sum[:])
	return d
}

// subject is where the deltas of a topic are sent. Names may have anything, and subjects
// may not.
func (d digest) subject() string { return subjectAll + ".topic." + hex.EncodeToString(d[:]) }
