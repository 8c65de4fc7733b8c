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
		c.acknowledge(m, protocol.StatusError, protocol.Reason(protocol.ReasonPayloadTooLarge))
		return
	}
	if refused := c.mayBroadcast(ctx); refused != "" {
		c.acknowledge(m, protocol.StatusError, protocol.Reason(refused))
		return
	}
	b := protocol.Broadcast{Event: m.UserEvent, Encoding: m.Encoding, Payload: m.Payload}
	if m.Kind == protocol.JSON {
		b = protocol.Broadcast{Relay: m.Payload}
	}
	c.topic.publish(b, c)
	c.acknowledge(m, protocol.StatusOK, protocol.EmptyObject)
}

func (c *channel) acknowledge(m protocol.Message, status string, response []byte) {
	if c.config.ack {
		c.reply(m, status, response)
	}
}

// publish sends a broadcast to every channel of the topic but the sender, which
// gets it only if it asked for its own. Each serialisation is built once. The
// lock keeps the order the same for all receivers; pushing never blocks.
func (t *topic) publish(b protocol.Broadcast, sender *channel) {
	frames := map[protocol.Version]*protocol.Frame{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for ch := range t.members {
		if ch == sender && !ch.config.self || ch.deaf {
			continue
		}
		version := ch.session.identity.Version
		frame, built := frames[version]
		if !built {
			frame = version.Broadcast(t.key.name, b)
			frames[version] = frame
		}
		if frame != nil { // this version cannot have it (wire reference 2.4)
			ch.session.out.Push(frame)
		}
	}
}
