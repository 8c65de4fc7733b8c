package channels

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"walcast/protocol"
	"walcast/replication"
)

// MessagePrefix is the prefix of logical messages that are broadcast:
//
//	select pg_logical_emit_message(true, 'walcast.broadcast',
//	  '{"topic":"room","event":"greeting","payload":{"x":1},"private":false}')
//
// private is true unless it says otherwise, as for realtime.send.
const MessagePrefix = "walcast.broadcast"

// relayMessages broadcasts what was sent from SQL: rows of realtime.messages
// and logical messages, in commit order. Who was not there when a message was
// committed gets it by a replay, not from here.
func (h *Hub) relayMessages(ctx context.Context) error {
	cursor := h.log.Follow()
	var old replication.Position // up to here it was sent before we started
	for {
		changes, err := cursor.Next(ctx, takeLimit)
		var resync *replication.ResyncError
		switch {
		case errors.As(err, &resync):
			old = resync.Position
			continue
		case err != nil:
			return nil // stopping
		case old.IsZero():
			old = h.log.Refilled()
		}
		for _, c := range changes {
			if c.Position.Compare(old) > 0 {
				h.relay(c)
			}
		}
	}
}

// replicationWait is how long a channel that asked for it waits to hear that
// messages from SQL arrive (wire reference 3.9).
const replicationWait = time.Minute

// tellReplication tells a channel that messages from SQL arrive, as soon as the
// log has begun. Unlike upstream the channel stays when it has not in time: the
// rest of it works.
func (h *Hub) tellReplication(c *channel) {
	if h.isFollowing() {
		c.system(protocol.ExtensionSystem, protocol.StatusOK, protocol.MessageReplicationReady)
		return
	}
	h.catchups.start(func(ctx context.Context) {
		wait, cancel := context.WithTimeout(ctx, replicationWait)
		defer cancel()
		_, err := h.log.After(wait, replication.Position{}) // waits for the log to begin
		switch {
		case ctx.Err() != nil && err != nil, c.ended.Load():
		case h.isFollowing():
			c.system(protocol.ExtensionSystem, protocol.StatusOK, protocol.MessageReplicationReady)
		default:
			c.system(protocol.ExtensionSystem, protocol.StatusError, protocol.MessageReplicationAway)
		}
	})
}

// isFollowing reports whether the log has begun.
func (h *Hub) isFollowing() bool { return h.log.History() != (replication.History{}) }

// relay broadcasts a change if it is a message.
func (h *Hub) relay(c *replication.Change) {
	m, ok := messageOf(c)
	if !ok {
		return
	}
	b := m.broadcast()
	switch err := b.CheckHeader(m.key.name); {
	case len(b.Payload) > h.config.MaxBroadcastBytes:
		h.logger.Warn("message from SQL not delivered: its payload is too large",
			"topic", m.key.subTopic(), "event", m.Event, "bytes", len(b.Payload), "limit", h.config.MaxBroadcastBytes)
		return
	case err != nil:
		h.logger.Warn("message from SQL not delivered to clients of vsn 2.0.0", "topic", m.key.subTopic(), "err", err)
	}
	if m.ID != "" && m.key.private { // the ones that replays are asked for
		h.recent.add(m.key, m.ID, now())
	}
	h.publish(m.key, b, m.ID)
}

// sqlMessage is a message sent from SQL.
type sqlMessage struct {
	key topicKey
	Stored
}

// messageOf reads a message sent from SQL; false if the change is none, or
// lacks what a broadcast needs (wire reference 6.5).
func messageOf(c *replication.Change) (sqlMessage, bool) {
	switch {
	case c.Operation == replication.Message && c.Prefix == MessagePrefix:
		return emitted(c.Content)
	case c.Operation == replication.Insert && isMessages(c.Relation):
		return stored(c)
	}
	return sqlMessage{}, false
}

// isMessages reports whether a relation is realtime.messages or a partition of
// it. Its rows are messages, never row changes for a binding.
func isMessages(rel *replication.Relation) bool {
	return rel.Schema == "realtime" && (rel.Table == "messages" || strings.HasPrefix(rel.Table, "messages_"))
}

// emitted reads the content of a logical message. It has no id.
func emitted(content string) (sqlMessage, bool) {
	var m struct {
		Topic, Event *string
		Payload      json.RawMessage
		Private      *bool
	}
	if json.Unmarshal([]byte(content), &m) != nil || m.Topic == nil || m.Event == nil || m.Payload == nil {
		return sqlMessage{}, false
	}
	return sqlMessage{
		key:    topicKey{name: topicPrefix + *m.Topic, private: m.Private == nil || *m.Private},
		Stored: Stored{Event: *m.Event, Encoding: protocol.EncodingJSON, Payload: m.Payload},
	}, true
}

// stored reads a row of realtime.messages.
func stored(c *replication.Change) (m sqlMessage, ok bool) {
	text := func(column string) (string, bool) {
		i := c.Relation.Column(column)
		if i < 0 || c.New[i].Kind != replication.Text {
			return "", false
		}
		return c.New[i].Text, true
	}
	name, ok1 := text("topic")
	private, ok2 := text("private")
	var ok3, ok4 bool
	m.Event, ok3 = text("event")
	m.ID, ok4 = text("id")
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return m, false
	}
	m.key = topicKey{name: topicPrefix + name, private: private == "t"}
	if payload, ok := text("payload"); ok {
		m.Encoding, m.Payload = protocol.EncodingJSON, []byte(payload)
		return m, true
	}
	payload, ok := text("binary_payload")
	if !ok {
		return m, false
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(payload, `\x`))
	m.Encoding, m.Payload = protocol.EncodingBinary, raw
	return m, err == nil
}
