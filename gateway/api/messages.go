package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"walcast/channels"
	"walcast/protocol"
)

// What is wrong with a field, in upstream's words.
const (
	blank   = "can't be blank"
	invalid = "is invalid"
)

// hugeNumber is ours: upstream calls such a body no JSON.
const hugeNumber = "has a number that a double cannot hold"

// fieldErrors says what is wrong with one message, by field; it is empty if nothing is.
type fieldErrors map[string][]string

// readMessages reads the messages of a body. If anything is wrong with any of them
// it returns the response that says so.
func readMessages(body []byte, limit int) ([]channels.Publication, *response) {
	raw, bad := listMessages(body)
	if bad != nil {
		return nil, bad
	}
	messages, faults, faulty := make([]channels.Publication, len(raw)), make([]fieldErrors, len(raw)), false
	for i, m := range raw {
		messages[i], faults[i] = readMessage(m, limit)
		faulty = faulty || len(faults[i]) > 0
	}
	if faulty {
		return nil, unprocessable(faults)
	}
	return messages, nil
}

// listMessages takes the list of messages out of the body. A body without messages
// is answered as upstream does.
func listMessages(body []byte) ([]map[string]json.RawMessage, *response) {
	if len(bytes.TrimSpace(body)) > 0 && !protocol.IsJSON(body) {
		return nil, &notJSON
	}
	var object map[string]json.RawMessage
	_ = json.Unmarshal(body, &object) // what is no object has no messages
	list := bytes.TrimSpace(object["messages"])
	switch {
	case isNull(list) || bytes.Equal(list, []byte("{}")):
		return nil, unprocessable([]string{blank})
	case list[0] != '[':
		return nil, unprocessable([]string{invalid})
	}
	var messages []map[string]json.RawMessage
	if err := json.Unmarshal(list, &messages); err != nil {
		return nil, unprocessable([]string{invalid})
	}
	for _, m := range messages {
		if m == nil {
			return nil, unprocessable([]string{invalid})
		}
	}
	if len(messages) == 0 {
		return nil, unprocessable([]string{blank})
	}
	return messages, nil
}

func unprocessable(messages any) *response {
	r := jsonResponse(http.StatusUnprocessableEntity, map[string]any{"errors": map[string]any{"messages": messages}})
	return &r
}

// readMessage checks one message. It is relayed as text, as upstream relays it.
func readMessage(raw map[string]json.RawMessage, limit int) (p channels.Publication, faults fieldErrors) {
	faults = fieldErrors{}
	p.Topic = requiredText(raw, "topic", faults)
	if err := protocol.CheckTopic(p.Topic); err != nil && faults["topic"] == nil {
		faults["topic"] = []string{protocol.RefusalOf(err).Text}
	}
	b := protocol.Broadcast{Event: requiredText(raw, "event", faults), Encoding: protocol.EncodingJSON}
	switch payload := raw["payload"]; {
	case isNull(payload):
		faults["payload"] = []string{blank}
	case payload[0] != '{':
		faults["payload"] = []string{invalid}
	case len(payload) > limit:
		faults["payload"] = []string{tooBig}
	case protocol.HasHugeNumber(payload):
		faults["payload"] = []string{hugeNumber}
	default:
		b.Payload = payload
	}
	if value := raw["private"]; !isNull(value) {
		var known bool
		if p.Private, known = boolean(value); !known {
			faults["private"] = []string{invalid}
		}
	}
	if value := raw["persist"]; !isNull(value) && string(value) != "false" {
		faults["persist"] = []string{keptAlone}
	}
	if value := raw["id"]; !isNull(value) {
		if value[0] != '"' {
			faults["id"] = []string{invalid}
		}
		b.Meta = append(append([]byte(`{"id":`), value...), '}')
	}
	if len(faults) == 0 {
		p.Broadcast = protocol.Broadcast{Relay: b.Text()}
	}
	return p, faults
}

// requiredText reads a field that must be a string with something in it.
func requiredText(raw map[string]json.RawMessage, field string, faults fieldErrors) (text string) {
	switch value := raw[field]; {
	case isNull(value):
		faults[field] = []string{blank}
	case json.Unmarshal(value, &text) != nil:
		faults[field] = []string{invalid}
	case strings.TrimSpace(text) == "":
		faults[field] = []string{blank}
	}
	return text
}

func isNull(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }
