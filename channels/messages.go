package channels

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

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
	var live replication.Position
	for {
		changes, err := cursor.Next(ctx, takeLimit)
		var resync *replication.ResyncError
		switch {
		case errors.As(err, &resync):
			live = resync.Position
			continue
		case err != nil:
			return nil // stopping
		case live.IsZero():
			live = h.log.Live()
		}
		for _, c := range changes {
			if c.Position.Compare(live) > 0 {
				h.relay(c)
			}
		}
	}
}

// relay broadcasts a change if it is a message.
func (h *Hub) relay(c *replication.Change) {
	key, b, ok := messageOf(c)
	if !ok {
		return
	}
	h.mu.Lock()
	t := h.topics[key]
	h.mu.Unlock()
	if t != nil {
		t.publish(b, nil)
	}
}

// messageOf reads a message sent from SQL; false if the change is none, or
// lacks what a broadcast needs (wire reference 6.5).
func messageOf(c *replication.Change) (topicKey, protocol.Broadcast, bool) {
	switch {
	case c.Operation == replication.Message && c.Prefix == MessagePrefix:
		return emitted(c.Content)
	case c.Operation == replication.Insert && isMessages(c.Relation):
		return stored(c)
	}
	return topicKey{}, protocol.Broadcast{}, false
}

// isMessages reports whether a relation is realtime.messages or a partition of
// it. Its rows are messages, never row changes for a binding.
func isMessages(rel *replication.Relation) bool {
	return rel.Schema == "realtime" && (rel.Table == "messages" || strings.HasPrefix(rel.Table, "messages_"))
}

// emitted reads the content of a logical message.
func emitted(content string) (topicKey, protocol.Broadcast, bool) {
	var m struct {
		Topic, Event *string
		Payload      json.RawMessage
		Private      *bool
	}
	if json.Unmarshal([]byte(content), &m) != nil || m.Topic == nil || m.Event == nil || m.Payload == nil {
		return topicKey{}, protocol.Broadcast{}, false
	}
	key := topicKey{name: topicPrefix + *m.Topic, private: m.Private == nil || *m.Private}
	return key, protocol.Broadcast{Event: *m.Event, Encoding: protocol.EncodingJSON, Payload: m.Payload}, true
}

// stored reads a row of realtime.messages.
func stored(c *replication.Change) (key topicKey, b protocol.Broadcast, ok bool) {
	text := func(column string) (string, bool) {
		i := c.Relation.Column(column)
		if i < 0 || c.New[i].Kind != replication.Text {
			return "", false
		}
		return c.New[i].Text, true
	}
	name, ok1 := text("topic")
	event, ok2 := text("event")
	private, ok3 := text("private")
	id, ok4 := text("id")
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return key, b, false
	}
	key = topicKey{name: topicPrefix + name, private: private == "t"}
	b = protocol.Broadcast{Event: event, Meta: []byte(`{"id":"` + id + `"}`)} // a uuid needs no quoting
	if payload, ok := text("payload"); ok {
		b.Encoding, b.Payload = protocol.EncodingJSON, []byte(payload)
		return key, b, true
	}
	payload, ok := text("binary_payload")
	if !ok {
		return key, b, false
	}
	raw, err := hex.DecodeString(strings.TrimPrefix(payload, `\x`))
	b.Encoding, b.Payload = protocol.EncodingBinary, raw
	return key, b, err == nil
}
