package topics

import (
	"hash/fnv"

	"walcast/protocol"
)

// newest knows for every topic the number of its newest broadcast, or a larger
// one, as topics share slots. Its size is fixed. A client that comes back is
// always told if it has missed broadcasts, and rarely if it has not.
type newest struct {
	floor uint64   // nothing is known up to this number
	slots []uint64 // nil until the first broadcast
}

// reset forgets all numbers up to base.
func (n *newest) reset(floor, base uint64) {
	n.floor = floor
	for slot, number := range n.slots {
		if number <= base {
			n.slots[slot] = 0
		}
	}
}

// newestSlots make half a megabyte.
const newestSlots = 1 << 16

func newNewest(floor uint64) newest { return newest{floor: floor} }

func (n *newest) note(key protocol.Topic, number uint64) {
	if n.slots == nil {
		n.slots = make([]uint64, newestSlots)
	}
	n.slots[slotOf(key)] = number
}

// of is the number of a topic's newest broadcast, or a larger one.
func (n *newest) of(key protocol.Topic) uint64 {
	if n.slots == nil {
		return n.floor
	}
	return max(n.floor, n.slots[slotOf(key)])
}

// slotOf gives a topic the same slot in every run, as slots are in the state
// file.
func slotOf(key protocol.Topic) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key.Name)) // a hash does not fail
	if key.Private {
		_, _ = h.Write([]byte{0})
	}
	sum := h.Sum64()
	return (sum ^ sum>>32) % newestSlots
}
