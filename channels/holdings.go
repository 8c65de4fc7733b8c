package channels

import (
	"sync/atomic"

	"walcast/protocol"
)

// What sessions hold, in bytes.
const (
	bindingBytes  = 1 << 10   // of a binding: as it is parsed and in the index, beside its text
	trackedBytes  = 512       // of something tracked: its key, its ref and its entries, beside its payload
	ordinaryBytes = 256 << 10 // what a session may hold without having it counted among all
)

// holdings is what the channels of all sessions hold together by their joins and by what they
// track, of each session what is beyond ordinaryBytes. It is safe for concurrent use.
type holdings struct {
	limit int64 // 0 for none
	bytes atomic.Int64
}

// account is what the channels of one session hold. It is safe for concurrent use.
type account struct {
	all   *holdings
	bytes atomic.Int64
}

// take takes so many bytes, which give returns, if all together may have them.
func (a *account) take(size int) bool {
	total, more := a.change(size)
	if more > 0 && a.all.limit > 0 && total > a.all.limit {
		a.change(-size)
		return false
	}
	return true
}

func (a *account) give(size int) { a.change(-size) }

// change counts so many bytes more. It returns what all hold by then, and how much of that
// came with them.
func (a *account) change(size int) (total, more int64) {
	bytes := a.bytes.Add(int64(size))
	more = max(0, bytes-ordinaryBytes) - max(0, bytes-int64(size)-ordinaryBytes)
	return a.all.bytes.Add(more), more
}

// cost is how much memory a channel of the weight takes, nearly. What is tracked is kept as it
// came and as it is sent.
func (w weight) cost() int { return w.bytes + bindingBytes*w.bindings + 2*w.tracked }

// reserve takes what a join adds to what all sessions hold. An error is a Refusal.
func (s *Session) reserve(w weight) error {
	if !s.account.take(w.cost()) {
		s.hub.metrics.limited.WithLabelValues(limitHeldTotal).Inc()
		return protocol.RefuseAllBytes(s.hub.config.MaxHeldTotal)
	}
	return nil
}

// reserveTracked has the channel hold so many bytes by what it tracks, and no longer what it
// has held by that. An error is a Refusal, and changes nothing.
func (c *channel) reserveTracked(size int) error {
	weighs := c.weight
	weighs.tracked = size
	return c.reweigh(weighs, protocol.RefuseSessionTracked, protocol.RefuseAllTracked)
}

// reserveToken has the channel hold a token of so many bytes instead of the one before. An error
// is a Refusal, and changes nothing.
func (c *channel) reserveToken(size int) error {
	weighs := c.weight
	weighs.bytes, weighs.token = weighs.bytes+size-weighs.token, size
	return c.reweigh(weighs, protocol.RefuseSessionBytes, protocol.RefuseAllBytes)
}

// reweigh has the channel count for another weight. An error, and then nothing has changed, says
// that its session would hold too much by that, or that all sessions would, as own and all have
// it for a limit.
func (c *channel) reweigh(weighs weight, own, all func(limit int) protocol.Refusal) error {
	s, limits, before := c.session, c.session.hub.config.Limits, c.weight
	held, more := s.held(), weighs.bytes+weighs.tracked-before.bytes-before.tracked
	if more > 0 && limits.MaxHeldBytes > 0 && held.bytes+held.tracked+more > limits.MaxHeldBytes {
		s.hub.metrics.limited.WithLabelValues(limitHeld).Inc()
		return own(limits.MaxHeldBytes)
	}
	if !c.access.holdMore(weighs.cost() - before.cost()) {
		s.hub.metrics.limited.WithLabelValues(limitHeldTotal).Inc()
		return all(limits.MaxHeldTotal)
	}
	c.weight = weighs
	return nil
}
