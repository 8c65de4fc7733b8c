package channels

import (
	"context"
	"encoding/json"
	"strings"

	"walcast/protocol"
)

// presenceMessage is the payload of a presence message.
type presenceMessage struct {
	Event   *string         `json:"event"`
	Payload json.RawMessage `json:"payload"`
}

// handlePresence acts on a presence message and answers it. Upstream
// answers ok to what it does not understand.
func (c *channel) handlePresence(ctx context.Context, m protocol.Message) {
	var p presenceMessage
	if err := json.Unmarshal(m.Payload, &p); err != nil || p.Event == nil {
		c.reply(m, protocol.StatusOK, protocol.EmptyObject)
		return
	}
	switch strings.ToLower(*p.Event) {
	case "track":
		c.track(ctx, m, p.Payload)
	case "untrack":
		c.present.Untrack()
		_ = c.reserveTracked(0) // less is never refused
		c.reply(m, protocol.StatusOK, protocol.EmptyObject)
	default:
		c.reply(m, protocol.StatusError, protocol.EmptyObject)
	}
}

func (c *channel) track(ctx context.Context, m protocol.Message, payload json.RawMessage) {
	h := c.session.hub
	switch {
	case len(payload) > h.config.MaxBroadcastBytes:
		h.metrics.limited.WithLabelValues(limitBroadcastSize).Inc()
		c.reply(m, protocol.StatusError, protocol.Reason(protocol.RefuseTrackTooLarge))
	case len(payload) > 0 && payload[0] != '{': // none at all is an empty one
		c.reply(m, protocol.StatusError, protocol.Reason(protocol.RefuseTrackNotMap))
	case protocol.HasHugeNumber(payload):
		c.reply(m, protocol.StatusError, protocol.Reason(protocol.RefuseHugeNumber))
	case !c.access.mayTrack(ctx):
		c.reply(m, protocol.StatusError, protocol.EmptyObject)
	default:
		heldBack, err := c.trackReserved(payload)
		if err != nil {
			c.reply(m, protocol.StatusError, protocol.Reason(err))
			return
		}
		if heldBack {
			h.metrics.limited.WithLabelValues(limitPresence).Inc()
		}
		c.reply(m, protocol.StatusOK, protocol.EmptyObject)
	}
}

// trackReserved tracks, if there is room for it in its session, in all sessions together and in
// its topic. An error is a protocol.Refusal: what was tracked before stays.
func (c *channel) trackReserved(payload json.RawMessage) (heldBack bool, err error) {
	before, size := c.weight.tracked, len(payload)+trackedBytes
	if err := c.reserveTracked(max(before, size)); err != nil {
		return false, err
	}
	heldBack, err = c.reception.track(c, payload)
	if err != nil {
		c.session.hub.metrics.limited.WithLabelValues(limitPresenceSize).Inc()
		size = before
	}
	_ = c.reserveTracked(size) // less is never refused
	return heldBack, err
}
