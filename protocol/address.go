package protocol

import (
	"encoding/json"
	"strings"
)

// Address is where the frames of one channel go, and all that their bytes
// depend on beside what they say. It is immutable.
type Address struct {
	Version Version
	Topic   string // with the prefix "realtime:"
	JoinRef Ref    // of pushes; the join's ref when it had none
}

// SubTopic is the topic as users know it, without "realtime:".
func (a Address) SubTopic() string { return strings.TrimPrefix(a.Topic, TopicPrefix) }

// Push is a frame that answers nothing: it has the channel's join_ref and no
// ref. payload is a JSON object.
func (a Address) Push(event string, payload json.RawMessage) *Frame {
	return a.Version.Push(a.JoinRef, "", a.Topic, event, payload)
}

// PushShared is Push for a payload that many frames have: they share its memory,
// so it must not change any more.
func (a Address) PushShared(event string, payload json.RawMessage) *Frame {
	return a.Version.PushShared(a.JoinRef, "", a.Topic, event, payload)
}

// System is a system event without a code.
func (a Address) System(extension, status, message string) *Frame {
	return a.Push(EventSystem, systemPayload(extension, status, message, a.SubTopic()))
}

// Problem is the system event that tells of a problem with the channel's
// bindings.
func (a Address) Problem(status string, p Problem) *Frame {
	return a.Push(EventSystem, p.payload(ExtensionPostgres, status, a.SubTopic()))
}

// Resync is the system event that tells the client to fetch its data again. An
// event stream goes on after it at the detail's position.
func (a Address) Resync(d ResyncDetail) *Frame {
	return a.Version.PushAt(d.Position, a.JoinRef, "", a.Topic, EventSystem, resyncPayload(a.SubTopic(), d))
}
