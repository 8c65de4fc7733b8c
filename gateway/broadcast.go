package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"walcast/channels"
	"walcast/protocol"
)

const (
	typeJSON  = "application/json"
	typeBytes = "application/octet-stream"
)

// tooBig is upstream's text for a payload above the limit.
const tooBig = "Payload size exceeds tenant limit"

// broadcastBatch answers POST /api/broadcast (wire reference 11.2). Nothing is
// sent if any message is bad. Refusals of private topics are told to who asks
// for them by "Prefer: return=representation" (decision 23).
func (g *Gateway) broadcastBatch(c call) response {
	if contentType(c.Header) != typeJSON && len(c.body) > 0 {
		return unsupported("Unsupported Media Type. Use application/json")
	}
	messages, refused := readBatch(c.body, g.hub.MaxBroadcast())
	if refused != nil {
		return *refused
	}
	if refused := g.exceeds(c, len(messages)); refused != nil {
		return *refused
	}
	if privateTopics(messages) > batchTopics && c.claims.Role != serviceRole {
		return tooManyAtOnce
	}
	publisher := g.hub.Publisher(c.claims, requestHeaders(c.Header))
	defer publisher.Close()
	outcomes := make([]outcome, len(messages))
	for i, m := range messages { // all are asked first, so that those that go stay together
		outcomes[i] = outcomeOf(publisher.May(c.Context(), m.Topic, m.Private))
	}
	for i, m := range messages {
		if outcomes[i].Status == protocol.StatusOK {
			publisher.Publish(m)
		}
	}
	if !prefersRepresentation(c.Header) {
		return response{status: http.StatusAccepted}
	}
	a := jsonAnswer(http.StatusAccepted, map[string]any{"messages": outcomes})
	a.preference = "return=representation"
	return a
}

// batchTopics is how many private topics one batch may name, as each is asked of
// the database. service_role may name any number.
const batchTopics = 100

func privateTopics(messages []channels.Publication) int {
	topics := map[string]struct{}{}
	for _, m := range messages {
		if m.Private {
			topics[m.Topic] = struct{}{}
		}
	}
	return len(topics)
}

// outcome is what became of one message of a batch.
type outcome struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func outcomeOf(err error) outcome {
	if err != nil {
		return outcome{Status: protocol.StatusError, Reason: err.Error()}
	}
	return outcome{Status: protocol.StatusOK}
}

// prefersRepresentation reads RFC 7240's header.
func prefersRepresentation(h http.Header) bool {
	for part := range strings.FieldsFuncSeq(strings.Join(h.Values("Prefer"), ","), func(r rune) bool { return r == ',' || r == ';' }) {
		if strings.EqualFold(strings.ReplaceAll(strings.TrimSpace(part), `"`, ""), "return=representation") {
			return true
		}
	}
	return false
}

func unsupported(text string) response {
	return jsonAnswer(http.StatusUnsupportedMediaType, map[string]string{"error": text})
}

// broadcastSingle answers POST /api/broadcast/{topic}/events/{event} (wire
// reference 11.3).
func (g *Gateway) broadcastSingle(c call) response {
	p := channels.Publication{Topic: c.PathValue("topic")}
	p.Event = c.PathValue("event")
	var refused *response
	if p.Encoding, p.Payload, refused = singlePayload(c); refused != nil {
		return *refused
	}
	if p.Private, refused = singlePrivate(c, p); refused != nil {
		return *refused
	}
	if len(p.Payload) > g.hub.MaxBroadcast() {
		return jsonAnswer(http.StatusUnprocessableEntity, map[string]any{"errors": map[string][]string{"payload": {tooBig}}})
	}
	if err := p.CheckHeader(protocol.TopicPrefix + p.Topic); err != nil {
		return message(http.StatusUnprocessableEntity, err.Error())
	}
	if refused := g.exceeds(c, 1); refused != nil {
		return *refused
	}
	publisher := g.hub.Publisher(c.claims, requestHeaders(c.Header))
	defer publisher.Close()
	if err := publisher.May(c.Context(), p.Topic, p.Private); err != nil {
		return refusedBroadcast(err)
	}
	publisher.Publish(p)
	return response{status: http.StatusAccepted}
}

func refusedBroadcast(err error) response {
	var refusal *channels.Refusal
	if errors.As(err, &refusal) && refusal.Forbidden {
		return message(http.StatusForbidden, err.Error())
	}
	return message(http.StatusUnprocessableEntity, err.Error())
}

// singlePayload is the body as it is broadcast: JSON that is no object arrives
// wrapped, as it does from upstream.
func singlePayload(c call) (protocol.Encoding, []byte, *response) {
	switch contentType(c.Header) {
	case typeBytes:
		return protocol.EncodingBinary, c.body, nil
	case typeJSON:
	default:
		refused := unsupported("Unsupported Media Type. Use application/json or application/octet-stream")
		return 0, nil, &refused
	}
	body := bytes.TrimSpace(c.body)
	switch {
	case len(body) == 0:
		return protocol.EncodingJSON, []byte("{}"), nil
	case !protocol.IsJSON(body):
		return 0, nil, &notJSON
	case body[0] != '{':
		body = append(append([]byte(`{"_json":`), body...), '}')
	}
	return protocol.EncodingJSON, body, nil
}

// singlePrivate reads the query's private. Upstream lets a key "private" in the
// body win over it; here that the two differ is an error, since a message that
// was meant to be private must not become public (decision 39).
func singlePrivate(c call, p channels.Publication) (private bool, refused *response) {
	text := last(c.URL.Query(), "private")
	private = strings.EqualFold(text, "true")
	if !private && text != "" && !strings.EqualFold(text, "false") {
		a := jsonAnswer(http.StatusUnprocessableEntity, map[string]any{"errors": map[string][]string{"private": {"is invalid"}}})
		return false, &a
	}
	if p.Encoding != protocol.EncodingJSON {
		return private, nil
	}
	var body map[string]json.RawMessage
	_ = json.Unmarshal(p.Payload, &body) // it is an object
	inBody, known := boolean(body["private"])
	if known && inBody != private {
		const text = `"private" in the body contradicts the query parameter: make them equal, or name the key otherwise`
		a := message(http.StatusUnprocessableEntity, text)
		return false, &a
	}
	return private, nil
}

// boolean reads true or false, or a string that says so; known is false for
// anything else.
func boolean(raw json.RawMessage) (value, known bool) {
	switch strings.ToLower(string(raw)) {
	case "true", `"true"`, `"1"`:
		return true, true
	case "false", `"false"`, `"0"`:
		return false, true
	}
	return false, false
}
