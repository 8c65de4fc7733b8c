package channels

import (
	"sync/atomic"

	"walcast/protocol"
)

// What sessions hold by their joins, in bytes.
const (
	bindingBytes  = 1 << 10   // of a binding: as it is parsed and in the index, beside its text
	ordinaryBytes = 256 << 10 // what a session may hold without having it counted among all
)

// holdings is what the joins of all sessions hold together, of each session what is beyond
// ordinaryBytes. It is safe for concurrent use.
type holdings struct {
	limit int64 // 0 for none
	bytes atomic.Int64
}

// cost is how much memory a channel of the weight takes, nearly.
func (w weight) cost() int { return w.bytes + bindingBytes*w.bindings }

// beyondOrdinary is how much of one more channel counts in a session that holds something.
func (w weight) beyondOrdinary(held weight) int {
	beyond := func(w weight) int { return max(0, w.cost()-ordinaryBytes) }
	return beyond(held.add(w)) - beyond(held)
}

// take takes so many bytes, which give returns, if all together may have them.
func (h *holdings) take(size int) bool {
	if size == 0 {
		return true
	}
	if all := h.bytes.Add(int64(size)); h.limit > 0 && all > h.limit {
		h.bytes.Add(-int64(size))
		return false
	}
	return true
}

func (h *holdings) give(size int) { h.bytes.Add(-int64(size)) }

// reserve takes what a join adds to what all sessions hold. An error is a Refusal.
func (s *Session) reserve(w weight) (size int, err error) {
	size = w.beyondOrdinary(s.held())
	if !s.hub.holdings.take(size) {
		s.hub.metrics.limited.WithLabelValues(limitHeldTotal).Inc()
		return 0, protocol.RefuseAllBytes(s.hub.config.MaxHeldTotal)
	}
	return size, nil
}
