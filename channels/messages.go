package channels

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// MessagePrefix is the prefix of logical messages that are broadcast:
//
//	select pg_logical_emit_message(true, 'walcast.broadcast',
//	  '{"topic":"room","event":"greeting","payload":{"x":1},"private":false}')
//
// private is true unless it says otherwise, as for realtime.send.
const MessagePrefix = "walcast.broadcast"

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
		_, err := h.log.After(wait, wal.Position{}) // waits for the log to begin
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
func (h *Hub) isFollowing() bool { return h.log.History() != (changelog.History{}) }

// sqlMessage is a message sent from SQL.
type sqlMessage struct {
	key topicKey
	Stored
}

// isMessage reports whether a change is a message sent from SQL: a row of
// realtime.messages or a logical message.
func isMessage(c *wal.Change) bool {
	switch c.Operation {
	case wal.Message:
		return c.Prefix == MessagePrefix
	case wal.Insert:
		return isMessages(c.Relation)
	}
	return false
}

// messageOf reads a message sent from SQL. With an error, which says what a
// broadcast needs and it lacks, it has as much as could be read.
func messageOf(c *wal.Change) (sqlMessage, error) {
	if c.Operation == wal.Message {
		return emitted(c.Content)
	}
	return stored(c)
}

// isMessages reports whether a relation is realtime.messages or a partition of
// it. Its rows are messages, never row changes for a binding.
func isMessages(rel *wal.Relation) bool {
	return rel.Schema == "realtime" && (rel.Table == "messages" || strings.HasPrefix(rel.Table, "messages_"))
}

// checkMessage says why a message is not relayed, nil if it is.
func (h *Hub) checkMessage(b protocol.Broadcast) error {
	if size, limit := len(b.Payload), h.config.MaxBroadcastBytes; size > limit {
		return fmt.Errorf("its payload has %d bytes, the limit is %d", size, limit)
	}
	return nil
}

// refuseMessage reports a message that nobody gets. Whoever sent it has
// committed by now and cannot be told.
func (h *Hub) refuseMessage(m sqlMessage, why error) {
	h.metrics.messages.WithLabelValues("refused").Inc()
	h.warnMessage("message from SQL not delivered", m, why)
}

// warnMessage logs what is wrong with a message, but not with every one of a
// flood.
func (h *Hub) warnMessage(text string, m sqlMessage, why error) {
	//nolint:sloglint // a constant of the caller
	h.complaints.Do(func() { h.logger.Warn(text, "topic", m.key.subTopic(), "event", m.Event, "err", why) })
}

// emitted reads the content of a logical message. It has no id.
func emitted(content string) (m sqlMessage, err error) {
	var fields struct {
		Topic, Event *string
		Payload      json.RawMessage
		Private      *bool
	}
	err = json.Unmarshal([]byte(content), &fields)
	m.key = topicKey{name: topicPrefix, private: fields.Private == nil || *fields.Private}
	m.Encoding, m.Payload = protocol.EncodingJSON, fields.Payload
	if fields.Topic != nil {
		m.key.name += *fields.Topic
	}
	if fields.Event != nil {
		m.Event = *fields.Event
	}
	switch {
	case err != nil:
		return m, fmt.Errorf("read logical message %q: %w", MessagePrefix, err)
	case m.key.subTopic() == "":
		return m, errors.New(`logical message without a "topic"`)
	case fields.Event == nil:
		return m, errors.New(`logical message without an "event"`)
	case fields.Payload == nil || string(fields.Payload) == "null":
		return m, errors.New(`logical message without a "payload"`)
	}
	return m, nil
}

// stored reads a row of realtime.messages.
func stored(c *wal.Change) (m sqlMessage, err error) {
	text := func(column string) string {
		i := c.Relation.Column(column)
		if i < 0 || c.New[i].Kind != wal.Text {
			err = fmt.Errorf("row of realtime.messages without %s", column)
			return ""
		}
		return c.New[i].Text
	}
	private := text("private")
	m.Event, m.ID = text("event"), text("id")
	m.key = topicKey{name: topicPrefix + text("topic"), private: private == "t"}
	if err != nil {
		return m, err
	}
	if m.Payload = []byte(text("payload")); err == nil {
		m.Encoding = protocol.EncodingJSON
		return m, nil
	}
	err = nil
	bytes := text("binary_payload")
	if err != nil {
		return m, errors.New("row of realtime.messages without payload")
	}
	m.Encoding = protocol.EncodingBinary
	m.Payload, err = hex.DecodeString(strings.TrimPrefix(bytes, `\x`))
	return m, err
}
