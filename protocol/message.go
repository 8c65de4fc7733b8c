package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Kind says how a message's payload is to be read.
type Kind uint8

// The kinds of inbound message.
const (
	JSON          Kind = iota // Payload is any JSON value
	Binary                    // kind 0 push: Payload is opaque
	UserBroadcast             // kind 3: Event is "broadcast", UserEvent and Encoding are set
)

// Encoding of a user broadcast's payload.
type Encoding uint8

// The encodings of docs/protocol.md, "Binary frames".
const (
	EncodingBinary Encoding = 0
	EncodingJSON   Encoding = 1
)

// Message is one decoded frame from a client. It shares no memory with the
// bytes that it was read from.
type Message struct {
	JoinRef, Ref Ref
	Topic        string
	Event        string // "" also when it is not a string, which no event is called
	Kind         Kind
	Payload      []byte
	UserEvent    string
	Encoding     Encoding
	Metadata     []byte // of UserBroadcast: JSON, or nil

	// OddTopic is the topic as given when it is not a string. Nothing can be
	// joined by it, so Topic is "", but replies name it.
	OddTopic json.RawMessage
}

// IsJSON reports whether the payload is JSON, or its sender says so.
func (m Message) IsJSON() bool {
	return m.Kind == JSON || m.Kind == UserBroadcast && m.Encoding == EncodingJSON
}

// Decode reads one WebSocket message. Its errors mean "malformed": upstream
// drops such a frame and keeps the socket.
func (v Version) Decode(data []byte, binary bool) (Message, error) {
	switch {
	case binary && v != V1: // for 1.0.0 the kind of frame does not matter: upstream reads JSON from both
		return decodeBinary(data)
	case nestsDeeply(data):
		return Message{}, errNesting
	case v == V1:
		return decodeV1(data)
	}
	return decodeV2(data)
}

// maxNesting is how deep objects and arrays may stand in one another. Reading them
// takes a stack that grows with it, which costs more than all the rest.
const maxNesting = 512

var errNesting = fmt.Errorf("nested deeper than %d", maxNesting)

// nestsDeeply is true for all that is nested too deeply, and for what is no JSON
// if it looks like that.
func nestsDeeply(data []byte) bool {
	if bytes.Count(data, []byte("["))+bytes.Count(data, []byte("{")) <= maxNesting {
		return false // which nearly all messages are
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxNesting {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// fields are the raw parts of a text frame.
type fields struct {
	joinRef, ref, topic, event, payload value
}

// message copies the parts. The strings share one allocation, the payload has
// its own: it may live longer.
func (f fields) message() Message {
	var scratch [192]byte
	joinRef, ref := f.joinRef.refBytes(), f.ref.refBytes()
	topic, event := f.topic.stringBytes(), f.event.stringBytes()
	buf := append(scratch[:0], joinRef...)
	buf = append(buf, ref...)
	buf = append(buf, topic...)
	buf = append(buf, event...)
	text := string(buf)
	cut := func(n int) (s string) {
		s, text = text[:n], text[n:]
		return s
	}
	m := Message{
		JoinRef: Ref(cut(len(joinRef))),
		Ref:     Ref(cut(len(ref))),
		Topic:   cut(len(topic)),
		Event:   cut(len(event)),
		Payload: append([]byte(nil), f.payload...),
	}
	if f.topic.kind() != '"' {
		m.OddTopic = append(json.RawMessage(nil), f.topic...)
	}
	return m
}

// refBytes is the text of a reference: nothing for null.
func (v value) refBytes() []byte {
	if v.isNull() {
		return nil
	}
	return v
}
