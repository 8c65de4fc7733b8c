package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"walcast/protocol"
)

// frame is a received frame, split as far as needed to compare it.
type frame struct {
	text []byte // without what only walcast adds
	lane lane
	ref  string
}

// lane is a sequence of frames of one socket whose order counts. Between lanes
// the order was not the same in all recordings.
type lane struct{ topic, kind, columns string }

// The kinds of lanes. What answers a client or ends a channel is in one.
const (
	kindAnswer   = "answers"
	kindSystem   = "system"
	kindPresence = "presence"
	kindChange   = "changes"
	kindClose    = "close"
)

func kindOf(event string) string {
	switch event {
	case protocol.EventSystem:
		return kindSystem
	case protocol.EventPresenceState, protocol.EventPresenceDiff:
		return kindPresence
	case protocol.EventPostgresChanges, "INSERT", "UPDATE", "DELETE", "TRUNCATE":
		return kindChange
	}
	return kindAnswer
}

// parse reads a text frame of either version. What it does not understand is in
// the lane of nothing. With groups, changes with other columns are in lanes of
// their own.
func parse(text []byte, groups bool) frame {
	f := frame{text: text}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return f
	}
	var topic, event, ref, payload any
	switch v := v.(type) {
	case []any:
		if len(v) != 5 {
			return f
		}
		ref, topic, event, payload = v[1], v[2], v[3], v[4]
	case map[string]any:
		ref, topic, event, payload = v["ref"], v["topic"], v["event"], v["payload"]
	}
	name, _ := event.(string)
	f.ref, _ = ref.(string)
	encodedTopic, _ := json.Marshal(topic) // was JSON
	f.lane = lane{topic: string(encodedTopic), kind: kindOf(name)}
	strip(payload)
	if p, ok := payload.(map[string]any); ok && groups && f.lane.kind == kindChange {
		if data, ok := p["data"].(map[string]any); ok {
			f.lane.columns = fmt.Sprint(data["columns"])
		}
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // was JSON
	f.text = bytes.TrimSpace(out.Bytes())
	return f
}

// additions are the fields that walcast adds to payloads: to a change's data,
// which is the payload of a legacy event, and to a join's response.
var additions = map[string][]string{"": {"lsn", "seq", "xid", "code", "fix", "cost"}, "data": {"lsn", "seq", "xid"}, "response": {"position"}}

// strip takes out what upstream does not have.
func strip(payload any) {
	p, ok := payload.(map[string]any)
	if !ok {
		return
	}
	for within, names := range additions {
		object := p
		if within != "" {
			if object, ok = p[within].(map[string]any); !ok {
				continue
			}
		}
		for _, name := range names {
			delete(object, name)
		}
	}
}

// texts lists frames for a failure.
func texts(frames []frame) string {
	var lines []string
	for _, f := range frames {
		lines = append(lines, string(f.text[:min(len(f.text), 600)]))
	}
	if len(lines) == 0 {
		return "(nothing)"
	}
	return strings.Join(slices.Clip(lines), "\n")
}
