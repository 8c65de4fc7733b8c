package channels

import (
	"context"

	"walcast/protocol"
)

// broadcast relays a client's broadcast to the other channels of the topic and
// acknowledges it if the join asked for that.
func (c *channel) broadcast(ctx context.Context, m protocol.Message) {
	h := c.session.hub
	if len(m.Payload) > h.config.MaxBroadcastBytes {
		h.metrics.limited.WithLabelValues(limitBroadcastSize).Inc()
		c.acknowledge(m, protocol.StatusError, protocol.Reason(protocol.RefusePayloadTooLarge))
		return
	}
	if err := c.access.mayBroadcast(ctx); err != nil {
		c.acknowledge(m, protocol.StatusError, protocol.Reason(err))
		return
	}
	b, err := relayed(m)
	if err != nil {
		c.acknowledge(m, protocol.StatusError, protocol.Reason(err))
		return
	}
	c.member.Broadcast(b)
	c.acknowledge(m, protocol.StatusOK, protocol.EmptyObject)
}

// relayed is a client's message as its receivers get it. A text payload that is
// no object, or has a number that is none to many parsers, breaks clients, so it is
// refused to its sender.
func relayed(m protocol.Message) (b protocol.Broadcast, err error) {
	if m.IsJSON() && protocol.HasHugeNumber(m.Payload) {
		return b, protocol.RefuseHugeNumber
	}
	switch m.Kind {
	case protocol.UserBroadcast:
		return protocol.Broadcast{Event: m.UserEvent, Encoding: m.Encoding, Payload: m.Payload}, nil
	case protocol.Binary:
		return protocol.Broadcast{Opaque: append([]byte{}, m.Payload...)}, nil
	}
	if len(m.Payload) == 0 || m.Payload[0] != '{' {
		return b, protocol.RefusePayloadNotMap
	}
	return protocol.Broadcast{Relay: m.Payload}, nil
}

func (c *channel) acknowledge(m protocol.Message, status string, response []byte) {
	if c.acks {
		c.reply(m, status, response)
	}
}
