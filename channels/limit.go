package channels

import (
	"walcast/protocol"
)

// weight is what a channel counts for in its session's limits, so that no
// session fills the memory.
type weight struct {
	channels, bindings int
	bytes              int // of the join: names, filters and the token are parts of it
	token              int // bytes of these that are of the channel's own token
	tracked            int // bytes of what the channel tracks
	steps              int // steps for each byte of a row's text, see filters.Filter.StepsPerByte
}

func (w weight) add(other weight) weight {
	return weight{w.channels + other.channels, w.bindings + other.bindings, w.bytes + other.bytes, w.token + other.token, w.tracked + other.tracked, w.steps + other.steps}
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
	if asked.AccessToken != nil {
		one.token = len(*asked.AccessToken)
	}
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
	case exceeds(all.bytes+all.tracked, c.MaxHeldBytes):
		limit, refusal = limitHeld, protocol.RefuseSessionBytes(c.MaxHeldBytes)
	default:
		return one, nil
	}
	h.metrics.limited.WithLabelValues(limit).Inc()
	return weight{}, refusal
}
