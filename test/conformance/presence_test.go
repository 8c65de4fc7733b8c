package conformance

import (
	"encoding/json"
	"fmt"
	"strings"

	"walcast/internal/transcript"
	"walcast/protocol"
)

// silentJoins are joins that say nothing of presence, by socket and ref. Here
// they get presence_state, upstream only joins that enable presence do. This is
// everywhere in the recordings, so it is a rule and no list of deviations.
type silentJoins map[[3]string]pendingJoin

type pendingJoin struct {
	ref, joinRef json.RawMessage
}

// sent notes a join.
func (j silentJoins) sent(l transcript.Line, m message) {
	var payload struct {
		Config struct {
			Private  bool
			Presence struct {
				Enabled json.RawMessage
			}
		}
	}
	_ = json.Unmarshal(m.Payload, &payload) // what has another shape says nothing
	// The recorder's policies read the permission from the topic's name.
	mayRead := !payload.Config.Private || !strings.HasPrefix(string(m.Topic), `"realtime:pv`) || strings.Contains(string(m.Topic), "-pr")
	if len(payload.Config.Presence.Enabled) == 0 && mayRead {
		j[[3]string{l.Conn, string(m.Topic), string(m.Ref)}] = pendingJoin{m.Ref, m.JoinRef}
	}
}

// answered returns the state that comes after a reply, "" for none.
func (j silentJoins) answered(l transcript.Line, m message) string {
	key := [3]string{l.Conn, string(m.Topic), string(m.Ref)}
	join, ok := j[key]
	var payload struct{ Status string }
	_ = json.Unmarshal(m.Payload, &payload)
	if !ok {
		return ""
	}
	delete(j, key)
	if payload.Status != protocol.StatusOK {
		return ""
	}
	if l.Vsn == "1.0.0" {
		return fmt.Sprintf(`{"event":"presence_state","payload":{},"ref":null,"topic":%s}`, m.Topic)
	}
	joinRef := join.joinRef
	if string(joinRef) == "null" {
		joinRef = join.ref
	}
	return fmt.Sprintf(`[%s,null,%s,"presence_state",{}]`, joinRef, m.Topic)
}

// message is a text frame of either version.
type message struct {
	JoinRef json.RawMessage `json:"join_ref"`
	Ref     json.RawMessage
	Topic   json.RawMessage
	Event   string
	Payload json.RawMessage
}

func messageOf(text []byte) (m message, ok bool) {
	var parts []json.RawMessage
	if json.Unmarshal(text, &parts) != nil {
		return m, json.Unmarshal(text, &m) == nil
	}
	if len(parts) < 5 || json.Unmarshal(parts[3], &m.Event) != nil {
		return m, false
	}
	m.JoinRef, m.Ref, m.Topic, m.Payload = parts[0], parts[1], parts[2], parts[4]
	return m, true
}
