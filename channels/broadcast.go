package channels

import (
	"context"

	"walcast/channels/topics"
	"walcast/protocol"
)

// broadcast relays a client's broadcast to the other channels of the topic and
// acknowledges it if the join asked for that.
func (c *channel) broadcast(ctx context.Context, m protocol.Message) {
	id, err := c.relay(ctx, m)
	switch {
	case !c.terms.acks:
	case err != nil:
		c.reply(m, protocol.StatusError, protocol.Unacknowledged(err))
	case id != "":
		c.reply(m, protocol.StatusOK, protocol.Acknowledged(id))
	default:
		c.reply(m, protocol.StatusOK, protocol.EmptyObject)
	}
}

// relay is broadcast without the answer to the sender. id is the id of the message
// if it was stored, "" if not.
func (c *channel) relay(ctx context.Context, m protocol.Message) (id string, err error) {
	h := c.session.hub
	if len(m.Payload) > h.config.MaxBroadcastBytes {
		h.metrics.limited.WithLabelValues(limitBroadcastSize).Inc()
		return "", protocol.RefusePayloadTooLarge
	}
	keep, err := m.Persist()
	if err != nil {
		return "", err
	}
	if err := c.access.mayBroadcast(ctx); err != nil {
		return "", err
	}
	b, err := relayed(m)
	if err != nil {
		return "", err
	}
	if keep == 0 {
		return "", c.member.Broadcast(b)
	}
	if err := h.topics.Fits(b); err != nil {
		return "", err
	}
	if err := c.access.mayStore(ctx); err != nil {
		return "", err
	}
	key := protocol.Topic{Name: c.address.Topic, Private: c.access.private}
	stored, err := h.store(ctx, c.access.acting(), key, topics.Stored{Event: b.Event, Encoding: b.Encoding, Payload: b.Payload}, keep)
	if err != nil {
		return "", err
	}
	return stored.ID, c.member.BroadcastStored(stored)
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
