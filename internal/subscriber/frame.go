package subscriber

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// frame is a message of vsn 2.0.0.
type frame struct {
	joinRef, ref *string
	topic, event string
	payload      json.RawMessage
}

func (f *frame) encode() ([]byte, error) {
	return json.Marshal([]any{f.joinRef, f.ref, f.topic, f.event, f.payload})
}

// decodeText reads a text frame.
func decodeText(data []byte) (f frame, err error) {
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return f, fmt.Errorf("read a frame: %w", err)
	}
	if len(parts) < 5 {
		return f, fmt.Errorf("read a frame: it has %d parts, want 5", len(parts))
	}
	f.payload = parts[4]
	for i, to := range []any{&f.joinRef, &f.ref, &f.topic, &f.event} {
		if err := json.Unmarshal(parts[i], to); err != nil {
			return f, fmt.Errorf("read part %d of a frame: %w", i, err)
		}
	}
	return f, nil
}

// kinds of binary frames from a server.
const (
	kindRelayed   = 2
	kindBroadcast = 4
)

// decodeBinary reads a broadcast in a binary frame. Its payload becomes the object that a
// text frame would have; bytes that are no JSON stand in it as "base64".
func decodeBinary(data []byte) (f frame, err error) {
	cut := errors.New("read a binary frame: it is shorter than its header says")
	lengths := map[byte]int{kindRelayed: 2, kindBroadcast: 4}
	if len(data) == 0 || lengths[data[0]] == 0 {
		return f, errors.New("read a binary frame: it is of no kind that servers send")
	}
	kind, n := data[0], lengths[data[0]]
	if len(data) < 1+n {
		return f, cut
	}
	sizes, rest := data[1:1+n], data[1+n:]
	var strings [3]string // topic, event, metadata
	for i := range min(n, 3) {
		size := int(sizes[i])
		if len(rest) < size {
			return f, cut
		}
		strings[i], rest = string(rest[:size]), rest[size:]
	}
	isJSON := kind == kindBroadcast && sizes[3] != 0
	if f.payload, err = broadcast(strings[1], strings[2], rest, isJSON); err != nil {
		return f, fmt.Errorf("read a binary frame: %w", err)
	}
	f.topic, f.event = strings[0], "broadcast"
	return f, nil
}

// broadcast is the payload of a broadcast as text frames have it.
func broadcast(event, meta string, payload []byte, isJSON bool) (json.RawMessage, error) {
	object := struct {
		Event   string          `json:"event"`
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload,omitempty"`
		Base64  string          `json:"base64,omitempty"`
		Meta    json.RawMessage `json:"meta,omitempty"`
	}{Event: event, Type: "broadcast"}
	if meta != "" {
		object.Meta = json.RawMessage(meta)
	}
	if isJSON {
		object.Payload = payload
	} else {
		object.Base64 = base64.StdEncoding.EncodeToString(payload)
	}
	return json.Marshal(object)
}
