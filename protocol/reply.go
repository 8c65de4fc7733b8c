package protocol

import (
	"encoding/json"
	"errors"
)

// The values of a reply's status. Clients know no other.
const (
	StatusOK    = "ok"
	StatusError = "error"
)

// EmptyObject is the response of a reply, or the payload of a push, that says
// nothing more. It is read-only.
var EmptyObject = json.RawMessage("{}")

// ChannelCrash is the payload of phx_error. It is read-only.
var ChannelCrash = json.RawMessage(`{"reason":"channel_crash"}`)

// Reason is the response of a refusal: {"reason":"…"}. Of one for bindings that do
// not work the problem's code and fix stand beside it.
func Reason(refusal error) json.RawMessage {
	var unserved Unserved
	errors.As(refusal, &unserved) // else it has neither
	text := refusal.Error()
	b := make([]byte, 0, len(`{"reason":"","code":"","fix":"","cost":""}`)+len(text)+len(unserved.Problem.Code)+len(unserved.Problem.Fix)+len(unserved.Problem.Cost))
	b = append(b, `{"reason":`...)
	b = appendQuoted(b, text)
	for _, beside := range []struct{ key, text string }{{`,"code":`, unserved.Problem.Code}, {`,"fix":`, unserved.Problem.Fix}, {`,"cost":`, unserved.Problem.Cost}} {
		if beside.text != "" {
			b = append(b, beside.key...)
			b = appendQuoted(b, beside.text)
		}
	}
	return append(b, '}')
}

// Position is the response that says up to where a client has everything, and what it
// is to keep beside the position, {"position":"…","history":"…"}; empty when nothing is
// known.
func Position(position, history string) json.RawMessage {
	if position == "" {
		return EmptyObject
	}
	b := make([]byte, 0, len(`{"position":"","history":""}`)+len(position)+len(history))
	b = append(b, `{"position":`...)
	b = appendQuoted(b, position)
	return append(appendHistory(b, history), '}')
}

// appendHistory writes the member of an object that stands beside a position, if there
// is one.
func appendHistory(dst []byte, history string) []byte {
	if history == "" {
		return dst
	}
	return appendQuoted(append(dst, `,"history":`...), history)
}

// ReplyTo builds phx_reply to a message, whatever its topic is (Message.OddTopic).
// response is raw JSON.
func (v Version) ReplyTo(m Message, joinRef Ref, status string, response json.RawMessage) *Frame {
	return reply(envelope{version: v, joinRef: joinRef, ref: m.Ref, topic: m.Topic, oddTopic: m.OddTopic, event: EventReply}, status, response)
}

// Joined builds the reply to a join that is allowed; an event stream goes on at
// the position, "" for none.
func (v Version) Joined(m Message, joinRef Ref, position string, response json.RawMessage) *Frame {
	return reply(envelope{
		version: v, joinRef: joinRef, ref: m.Ref, topic: m.Topic, event: EventReply, position: position,
	}, StatusOK, response)
}

func reply(e envelope, status string, response json.RawMessage) *Frame {
	e.open(len(`{"status":"","response":}`) + len(status) + len(response))
	e.buf = append(e.buf, `{"status":`...)
	e.buf = appendQuoted(e.buf, status)
	e.buf = append(e.buf, `,"response":`...)
	e.buf = append(e.buf, response...)
	e.buf = append(e.buf, '}')
	return e.seal()
}

// Push builds a frame for one channel (joinRef) or for all (joinRef ""); payload
// is raw JSON. In 1.0.0 only ref is sent; phx_close and phx_error carry the
// join_ref as ref, in both versions.
func (v Version) Push(joinRef, ref Ref, topic, event string, payload json.RawMessage) *Frame {
	return v.PushAt("", joinRef, ref, topic, event, payload)
}

// PushAt is Push, after which an event stream goes on at the position.
func (v Version) PushAt(position string, joinRef, ref Ref, topic, event string, payload json.RawMessage) *Frame {
	e := envelope{version: v, joinRef: joinRef, ref: ref, topic: topic, event: event, position: position}
	e.open(len(payload))
	e.buf = append(e.buf, payload...)
	return e.seal()
}
