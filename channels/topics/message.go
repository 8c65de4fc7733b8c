package topics

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"walcast/protocol"
	"walcast/replication/wal"
)

// MessagePrefix is the prefix of logical messages that are broadcast:
//
//	select pg_logical_emit_message(true, 'walcast.broadcast',
//	  '{"topic":"room","event":"greeting","payload":{"x":1},"private":false}')
//
// private is true unless it says otherwise, as for realtime.send. Then it is
// delivered only if the config trusts the roles that may write such messages: the
// WAL does not say which one did, and without a REVOKE every connection may.
const MessagePrefix = "walcast.broadcast"

// Message is a message sent from SQL, on its way from the log to members of its
// topic. It belongs to one goroutine.
type Message struct {
	topics *Topics
	key    protocol.Topic
	id     string // of a row of realtime.messages, "" for a logical message
	frames frames
}

// Message reads the message that a change is, and the topic that it is for. It
// is nil if the change is no message, or one that cannot be delivered. The
// reason is logged if reports is set, by one of all that read the same log. The
// client that sent the message cannot be told, as its transaction has
// committed.
func (s *Topics) Message(c *wal.Change, reports bool) (protocol.Topic, *Message) {
	if !isMessage(c) || isRelayed(c) {
		return protocol.Topic{}, nil
	}
	key, stored, err := read(c)
	switch {
	case c.Cut:
		err = errors.New("it is too large to be read")
	case err == nil:
		err = s.check(c, key)
	}
	if size, limit := len(stored.Payload), s.config.MaxBroadcastBytes; err == nil && size > limit {
		err = fmt.Errorf("its payload has %d bytes, the limit is %d", size, limit)
	}
	if err == nil && stored.hasHugeNumber() {
		err = errHugeNumber
	}
	if err != nil {
		if reports {
			s.metrics.messages.WithLabelValues(resultRefused).Inc()
			s.warn("message from SQL not delivered", key, stored.Event, err)
		}
		return key, nil
	}
	return key, &Message{topics: s, key: key, id: stored.ID, frames: frames{topic: key.Name, broadcast: stored.broadcast()}}
}

// check says why a message may not go to its topic, nil if it may.
func (s *Topics) check(c *wal.Change, key protocol.Topic) error {
	trusts := s.config.PrivateLogicalMessages
	if c.Operation == wal.Message && key.Private && (trusts == nil || !trusts()) {
		return errors.New(`logical messages do not go to private topics, as anybody may write them: use realtime.send, or "private": false, or see logical-message-roles`)
	}
	return protocol.CheckTopic(key.SubTopic())
}

// Sent notes that the message is delivered to members from now on. It is called
// once for each message, before any member can join too late to get it.
func (m *Message) Sent() {
	s := m.topics
	s.metrics.messages.WithLabelValues(resultRelayed).Inc()
	if err := m.frames.broadcast.CheckHeader(m.key.Name); err != nil {
		s.warn("message from SQL not delivered to clients of vsn 2.0.0", m.key, m.frames.broadcast.Event, err)
	}
	if m.id != "" && m.key.Private { // only these are replayed
		s.recent.add(m.key, m.id, time.Now())
	}
}

// Deliver pushes the message for a member of its topic.
func (m *Message) Deliver(to *Member) {
	to.topic.mu.Lock()
	defer to.topic.mu.Unlock()
	to.topic.deliver(to, m.frames.of(to.config.Address.Version), m.id)
}

// warn logs what is wrong with a message, at a limited rate.
func (s *Topics) warn(text string, key protocol.Topic, event string, why error) {
	//nolint:sloglint // a constant of the caller
	s.complaints.Do(func() { s.logger.Warn(text, "topic", key.SubTopic(), "event", event, "err", why) })
}

// isMessage reports whether a change is a message sent from SQL: a row of
// realtime.messages or of one of its partitions, or a logical message.
func isMessage(c *wal.Change) bool {
	switch c.Operation {
	case wal.Message:
		return c.Prefix == MessagePrefix
	case wal.Insert:
		return protocol.IsMessagesTable(c.Relation.Schema, c.Relation.Table)
	}
	return false
}

// isRelayed reports whether a row was stored for a broadcast that was delivered
// when it was sent.
func isRelayed(c *wal.Change) bool {
	if c.Operation != wal.Insert {
		return false
	}
	i := c.Relation.Column("skip_broadcast")
	return i >= 0 && c.New[i].Kind == wal.Text && c.New[i].Text == "t"
}

// read reads a message. An error says what is wrong with it; then key and
// message have as much as could be read.
func read(c *wal.Change) (protocol.Topic, Stored, error) {
	if c.Operation == wal.Message {
		return readContent(c.Content)
	}
	return readRow(c)
}

// readContent reads the content of a logical message. It has no id.
func readContent(content string) (key protocol.Topic, s Stored, err error) {
	var fields struct {
		Topic, Event *string
		Payload      json.RawMessage
		Private      *bool
	}
	err = json.Unmarshal([]byte(strings.ToValidUTF8(content, notUTF8)), &fields)
	key = protocol.Topic{Name: protocol.TopicPrefix, Private: fields.Private == nil || *fields.Private}
	s.Encoding, s.Payload = protocol.EncodingJSON, fields.Payload
	if fields.Topic != nil {
		key.Name += *fields.Topic
	}
	if fields.Event != nil {
		s.Event = *fields.Event
	}
	switch {
	case err != nil:
		return key, s, fmt.Errorf("read logical message %q: %w", MessagePrefix, err)
	case key.SubTopic() == "":
		return key, s, errors.New(`logical message without a "topic"`)
	case fields.Event == nil:
		return key, s, errors.New(`logical message without an "event"`)
	case fields.Payload == nil || string(fields.Payload) == "null":
		return key, s, errors.New(`logical message without a "payload"`)
	}
	return key, s, nil
}

// notUTF8 stands for bytes that are no UTF-8, which databases with encoding
// SQL_ASCII may have. In a frame they would end the connection of each client.
const notUTF8 = "\uFFFD"

// readRow reads a row of realtime.messages.
func readRow(c *wal.Change) (key protocol.Topic, s Stored, err error) {
	missing := ""
	text := func(column string) string {
		i := c.Relation.Column(column)
		if i < 0 || c.New[i].Kind != wal.Text {
			missing = column
			return ""
		}
		return strings.ToValidUTF8(c.New[i].Text, notUTF8)
	}
	private := text("private")
	s.Event, s.ID = text("event"), text("id")
	key = protocol.Topic{Name: protocol.TopicPrefix + text("topic"), Private: private == "t"}
	if missing != "" {
		return key, s, fmt.Errorf("row of realtime.messages without %s", missing)
	}
	if s.Payload = []byte(text("payload")); missing == "" {
		s.Encoding = protocol.EncodingJSON
		return key, s, nil
	}
	missing = ""
	binary := text("binary_payload")
	if missing != "" {
		return key, s, errors.New("row of realtime.messages without payload")
	}
	s.Encoding = protocol.EncodingBinary
	s.Payload, err = hex.DecodeString(strings.TrimPrefix(binary, `\x`))
	return key, s, err
}
