package topics

import "hash/fnv"

// newest knows of every topic there may be the number of its newest broadcast, or
// a larger one: topics share slots. So it has one size whatever there is, and a
// client that comes back is told that it has missed broadcasts whenever it has,
// and rarely when it has not.
type newest struct {
	floor uint64   // up to this number nothing is known
	slots []uint64 // nil until the first broadcast
}

// newestSlots are half a megabyte.
const newestSlots = 1 << 16

func newNewest(floor uint64) newest { return newest{floor: floor} }

func (n *newest) note(key Key, number uint64) {
	if n.slots == nil {
		n.slots = make([]uint64, newestSlots)
	}
	n.slots[slotOf(key)] = number
}

// of is the number of a topic's newest broadcast, or a larger one.
func (n *newest) of(key Key) uint64 {
	if n.slots == nil {
		return n.floor
	}
	return max(n.floor, n.slots[slotOf(key)])
}

// slotOf is the same in every run, as slots are in the state file.
func slotOf(key Key) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key.Name)) // a hash does not fail
	if key.Private {
		_, _ = h.Write([]byte{0})
	}
	sum := h.Sum64()
	return (sum ^ sum>>32) % newestSlots
}
