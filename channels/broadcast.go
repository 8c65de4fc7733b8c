package channels

import (
	"context"

	"walcast/protocol"
)

// broadcast relays a client's broadcast to the other channels of the topic and
// acknowledges it if the join asked for that (wire reference 6.1, 6.2).
func (c *channel) broadcast(ctx context.Context, m protocol.Message) {
	h := c.session.hub
	if len(m.Payload) > h.config.MaxBroadcastBytes {
		h.metrics.limited.WithLabelValues(limitBroadcastSize).Inc()
		c.acknowledge(m, protocol.StatusError, protocol.Reason(protocol.RefusePayloadTooLarge))
		return
	}
	if err := c.mayBroadcast(ctx); err != nil {
		c.acknowledge(m, protocol.StatusError, protocol.Reason(err))
		return
	}
	b, err := relayed(m)
	if err != nil {
		c.acknowledge(m, protocol.StatusError, protocol.Reason(err))
		return
	}
	c.topic.spread(b, c)
	c.acknowledge(m, protocol.StatusOK, protocol.EmptyObject)
}

// relayed is a client's message as its receivers get it. A text payload that is
// no object breaks clients, so it is refused to its sender.
func relayed(m protocol.Message) (b protocol.Broadcast, err error) {
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
	if c.config.ack {
		c.reply(m, status, response)
	}
}

// spread is publish for a channel of the topic.
func (t *topic) spread(b protocol.Broadcast, sender *channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.publish(b, sender)
}

// publish sends a broadcast to every channel of the topic but the sender, which
// gets it only if it asked for its own. Each serialisation is built once. The
// topic's lock, which is held, keeps the order the same for all receivers;
// pushing never blocks.
func (t *topic) publish(b protocol.Broadcast, sender *channel) {
	frames := map[protocol.Version]*protocol.Frame{}
	from := ""
	if sender != nil {
		from = sender.session.identity.ClientID
	}
	t.hub.pasts.note(t.key, b, from, now())
	for ch := range t.members {
		if ch == sender && !ch.config.self || ch.deaf {
			continue
		}
		frame := t.frameOf(frames, ch, b)
		switch {
		case frame == nil:
		case ch.backlog != nil:
			ch.backlog.live = append(ch.backlog.live, waiting{frame, ""})
		default:
			ch.session.out.Push(frame)
		}
	}
}

// frameOf builds a broadcast's frame once for each version; nil where the
// version cannot have it (wire reference 2.4).
func (t *topic) frameOf(frames map[protocol.Version]*protocol.Frame, ch *channel, b protocol.Broadcast) *protocol.Frame {
	version := ch.session.identity.Version
	frame, built := frames[version]
	if !built {
		frame = version.Broadcast(t.key.name, b)
		frames[version] = frame
	}
	return frame
}
