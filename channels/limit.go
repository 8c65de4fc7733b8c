package channels

import (
	"walcast/diagnose"
	"walcast/protocol"
)

// weight is what a channel counts for in its session's limits, so that no
// session fills the memory.
type weight struct {
	channels, bindings int
	bytes              int // of the join: names, filters and the token are parts of it
	steps              int // steps for each byte of a row's text, see filters.Filter.StepsPerByte
}

func (w weight) add(other weight) weight {
	return weight{w.channels + other.channels, w.bindings + other.bindings, w.bytes + other.bytes, w.steps + other.steps}
}

// How much a lane, which many channels share, takes of one channel and of one
// session. It is far above what applications ask for. A channel beyond it is
// dedicated: it has changes matched by a delivery of its own.
const (
	laneBindings         = 1000   // of a channel: to index them keeps the lane waiting
	laneBindingsTogether = 10_000 // of a session
	laneStepsTogether    = 200    // of a session
)

// isDear reports whether a channel is too much for a lane, with what its
// session has already.
func (s *Session) isDear(own weight) bool {
	all := s.held().add(own)
	return own.bindings > laneBindings || own.bindings > 0 && all.bindings > laneBindingsTogether || own.steps > 0 && all.steps > laneStepsTogether
}

// stepsOf adds up the steps of bindings.
func stepsOf(bindings []diagnose.Binding) (steps int) {
	for i := range bindings {
		steps += bindings[i].Filter.StepsPerByte()
	}
	return steps
}

// held is the weight of the session's channels that have not ended.
func (s *Session) held() (all weight) {
	for name, ch := range s.channels {
		if ch.ended.Load() {
			delete(s.channels, name)
			continue
		}
		all = all.add(ch.weight)
	}
	return all
}

// room is the weight of a join whose payload has size bytes, if the session's
// limits allow for it. An error is a Refusal.
func (s *Session) room(subTopic string, asked *protocol.Join, size int) (weight, error) {
	h, one := s.hub, weight{channels: 1, bindings: len(asked.Bindings), bytes: len(subTopic) + size}
	all := s.held().add(one)
	exceeds := func(n, limit int) bool { return limit > 0 && n > limit }
	var (
		limit   string
		refusal protocol.Refusal
	)
	switch c := h.config; {
	case exceeds(all.channels, c.MaxChannels):
		limit, refusal = limitChannels, protocol.RefuseTooManyChannels
	case exceeds(all.bindings, c.MaxBindings):
		limit, refusal = limitBindings, protocol.RefuseSessionBindings(c.MaxBindings)
	case exceeds(all.bytes, c.MaxHeldBytes):
		limit, refusal = limitHeld, protocol.RefuseSessionBytes(c.MaxHeldBytes)
	default:
		return one, nil
	}
	h.metrics.limited.WithLabelValues(limit).Inc()
	return weight{}, refusal
}
