package protocol

import (
	"encoding/json"
	"fmt"
)

// Broadcast is a broadcast on its way to receivers: one of a pushed text
// payload (Relay), a pushed binary payload of kind 0 (Opaque), or an event with
// a payload and perhaps the server's metadata.
type Broadcast struct {
	// Relay is a text payload to be relayed verbatim, raw JSON: what a client
	// pushed as text, or Text of a broadcast that must go as text.
	Relay json.RawMessage
	// Opaque is the payload of a kind 0 push; not nil, though it may be empty.
	Opaque []byte

	Event    string // the user's event
	Encoding Encoding
	Payload  []byte          // JSON text or opaque, by Encoding
	Meta     json.RawMessage // raw JSON object or nil
}

// Broadcast builds the frame of a broadcast for receivers of this version
// (docs/protocol.md, "Forms of a broadcast"). It is nil when they cannot have it:
// 1.0.0 and event streams have only text, so no payload that is opaque or not
// JSON, and 2.0.0 nothing that does not fit the header (see CheckHeader).
func (v Version) Broadcast(topic string, b Broadcast) *Frame {
	f := v.broadcast(topic, b)
	if f != nil {
		f.Broadcast = true
	}
	return f
}

func (v Version) broadcast(topic string, b Broadcast) *Frame {
	switch {
	case b.Relay != nil:
		return v.Push("", "", topic, EventBroadcast, b.Relay)
	case v != V2:
		return b.pushText(envelope{version: v, topic: topic, event: EventBroadcast})
	case b.CheckHeader(topic) != nil:
		return nil
	case b.Opaque != nil:
		return opaqueBroadcast(topic, b.Opaque)
	}
	return userBroadcast(topic, b)
}

// Replayed builds the frame of a stored broadcast for one channel: text where
// the payload is JSON, so that it carries the join_ref; nil when it cannot be
// had, as with Broadcast.
func (v Version) Replayed(joinRef Ref, topic string, b Broadcast) *Frame {
	if b.Encoding == EncodingJSON {
		return b.pushText(envelope{version: v, joinRef: joinRef, topic: topic, event: EventBroadcast})
	}
	return v.broadcast(topic, b)
}

// CheckHeader says which part of a broadcast does not fit the header of a
// binary frame, where lengths are single bytes. Such a
// broadcast cannot be delivered to 2.0.0 receivers. Relayed text always fits.
func (b Broadcast) CheckHeader(topic string) error {
	if b.Relay != nil {
		return nil
	}
	for _, field := range []struct {
		name string
		size int
	}{{"topic", len(topic)}, {"event", len(b.Event)}, {"meta", len(b.Meta)}} {
		if field.size > maxHeaderField {
			return fmt.Errorf("%s has %d bytes, at most %d can be delivered", field.name, field.size, maxHeaderField)
		}
	}
	return nil
}

// Text is the payload of the broadcast as text:
// {"event":…,"payload":…,"type":"broadcast"} and "meta" if there is some; nil
// when the payload is not JSON.
func (b Broadcast) Text() json.RawMessage {
	if !b.isText() {
		return nil
	}
	return b.appendText(make([]byte, 0, b.textSize()))
}

// isText says whether the payload can stand in a text frame. Clients are not
// held to what they say, and a payload that is no JSON would make a frame that
// its receivers cannot read.
func (b Broadcast) isText() bool {
	if b.Opaque != nil || b.Encoding != EncodingJSON {
		return false
	}
	_, ok := parse(b.Payload)
	return ok
}

func (b Broadcast) pushText(e envelope) *Frame {
	if !b.isText() {
		return nil
	}
	e.open(b.textSize())
	e.buf = b.appendText(e.buf)
	return e.seal()
}

func (b Broadcast) textSize() int {
	return len(`{"event":"","meta":,"payload":,"type":"broadcast"}`) + len(b.Event) + len(b.Meta) + len(b.Payload)
}

func (b Broadcast) appendText(dst []byte) []byte {
	dst = append(dst, `{"event":`...)
	dst = appendQuoted(dst, b.Event)
	if b.Meta != nil {
		dst = append(dst, `,"meta":`...)
		dst = append(dst, b.Meta...)
	}
	dst = append(dst, `,"payload":`...)
	dst = append(dst, b.Payload...)
	return append(dst, `,"type":"broadcast"}`...)
}
