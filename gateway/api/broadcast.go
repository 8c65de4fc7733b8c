package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"walcast/auth"
	"walcast/channels"
	"walcast/protocol"
)

const (
	typeJSON  = "application/json"
	typeBytes = "application/octet-stream"
)

// preferRepresentation is what a request prefers that wants to hear of each message.
const preferRepresentation = "return=representation"

// keptAlone is said of persist for several messages.
const keptAlone = "can only be used with one message, at /api/broadcast/<topic>/events/<event>"

// tooBig is upstream's text for a payload above the limit.
const tooBig = "Payload size exceeds tenant limit"

// broadcaster publishes broadcasts on behalf of a token's owner.
type broadcaster interface {
	Publisher(claims *auth.Claims, headers string) *channels.Publisher
	// MaxBroadcast is the largest payload that is relayed, in bytes.
	MaxBroadcast() int
}

// broadcasts answers the endpoints that send broadcasts.
type broadcasts struct {
	hub     broadcaster
	senders *senders
}

// several answers POST /api/broadcast, which has a list of messages. Nothing is
// sent if any message is bad. Why a private topic may not be written to is told
// only if the request says "Prefer: return=representation", as upstream's clients
// expect a response without a body.
func (b *broadcasts) several(r request) response {
	if contentType(r.Header) != typeJSON && len(r.body) > 0 {
		return unsupported("Unsupported Media Type. Use application/json")
	}
	if keep, err := protocol.PersistOf(r.URL.Query()); keep != 0 || err != nil {
		return *invalidField("persist", keptAlone)
	}
	messages, bad := readMessages(r.body, b.hub.MaxBroadcast())
	if bad != nil {
		return *bad
	}
	if exceeded := b.senders.take(r, len(messages)); exceeded != nil {
		return *exceeded
	}
	if privateTopics(messages) > maxPrivateTopics && r.claims.Role != serviceRole {
		return tooManyAtOnce
	}
	outcomes, err := b.publish(r, messages)
	if !prefersRepresentation(r.Header) {
		if err != nil {
			return refused(err)
		}
		return response{status: http.StatusAccepted}
	}
	accepted := jsonResponse(http.StatusAccepted, map[string]any{"messages": outcomes})
	accepted.preference = preferRepresentation
	return accepted
}

// publish sends the messages that may be sent and says what became of each. The
// permissions of all are asked first, so that the messages follow each other
// without a pause. An error says what kept a message that may be sent from all nodes, or
// from others.
func (b *broadcasts) publish(r request, messages []channels.Publication) (outcomes []outcome, err error) {
	publisher := b.hub.Publisher(r.claims, requestHeaders(r.Header))
	defer publisher.Close()
	outcomes = make([]outcome, len(messages))
	for i, m := range messages {
		outcomes[i] = outcomeOf(publisher.May(r.Context(), m.Topic, m.Private))
	}
	for i, m := range messages {
		if outcomes[i].Status == protocol.StatusOK {
			kept := publisher.Publish(m)
			outcomes[i] = outcomeOf(kept)
			err = cmp.Or(err, kept)
		}
	}
	return outcomes, err
}

// maxPrivateTopics is how many private topics one request may name, as the
// database is asked about each. service_role may name any number.
const maxPrivateTopics = 100

func privateTopics(messages []channels.Publication) int {
	topics := map[string]struct{}{}
	for _, m := range messages {
		if m.Private {
			topics[m.Topic] = struct{}{}
		}
	}
	return len(topics)
}

// outcome is what became of one message of a request.
type outcome struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

func outcomeOf(err error) outcome {
	if err != nil {
		return outcome{Status: protocol.StatusError, Reason: protocol.RefusalOf(err).Text}
	}
	return outcome{Status: protocol.StatusOK}
}

// prefersRepresentation reads RFC 7240's header.
func prefersRepresentation(h http.Header) bool {
	for part := range strings.FieldsFuncSeq(strings.Join(h.Values("Prefer"), ","), func(r rune) bool { return r == ',' || r == ';' }) {
		if strings.EqualFold(strings.ReplaceAll(strings.TrimSpace(part), `"`, ""), preferRepresentation) {
			return true
		}
	}
	return false
}

func unsupported(text string) response {
	return jsonResponse(http.StatusUnsupportedMediaType, map[string]string{"error": text})
}

// single answers POST /api/broadcast/{topic}/events/{event}, whose body is the
// payload.
func (b *broadcasts) single(r request) response {
	p := channels.Publication{Topic: r.PathValue("topic")}
	if err := protocol.CheckTopic(p.Topic); err != nil {
		return refused(err)
	}
	p.Event = r.PathValue("event")
	var bad *response
	if p.Encoding, p.Payload, bad = singlePayload(r); bad != nil {
		return *bad
	}
	if p.Private, bad = singlePrivate(r, p); bad != nil {
		return *bad
	}
	keep, err := protocol.PersistOf(r.URL.Query())
	switch {
	case err != nil:
		return *invalidField("persist", protocol.RefusalOf(err).Text)
	case keep != 0 && !p.Private:
		return *invalidField("persist", "can only be used on private channels")
	case len(p.Payload) > b.hub.MaxBroadcast():
		return *invalidField("payload", tooBig)
	}
	if p.Encoding == protocol.EncodingJSON && protocol.HasHugeNumber(p.Payload) {
		return *invalidField("payload", hugeNumber)
	}
	if err := p.CheckHeader(protocol.TopicPrefix + p.Topic); err != nil {
		return message(http.StatusUnprocessableEntity, err.Error())
	}
	if exceeded := b.senders.take(r, 1); exceeded != nil {
		return *exceeded
	}
	publisher := b.hub.Publisher(r.claims, requestHeaders(r.Header))
	defer publisher.Close()
	if err := publisher.May(r.Context(), p.Topic, p.Private); err != nil {
		return refused(err)
	}
	if keep == 0 {
		if err := publisher.Publish(p); err != nil {
			return refused(err)
		}
		return response{status: http.StatusAccepted}
	}
	id, err := publisher.Store(r.Context(), p, keep)
	if err != nil {
		return refused(err)
	}
	return jsonResponse(http.StatusAccepted, map[string]string{"id": id})
}

// invalidField says what is wrong with one field of a request.
func invalidField(name, text string) *response {
	r := jsonResponse(http.StatusUnprocessableEntity, map[string]any{"errors": map[string][]string{name: {text}}})
	return &r
}

// refused says why a topic may not be written to, or not on all nodes: the subject lacks
// permission, the database could not say, or the bus of the cluster cannot take it.
func refused(err error) response {
	refusal := protocol.RefusalOf(err)
	switch refusal.Code {
	case protocol.CodeUnauthorized, protocol.RefusePrivateOnly.Code:
		return message(http.StatusForbidden, refusal.Text)
	case protocol.RefuseBusAway.Code:
		return message(http.StatusServiceUnavailable, refusal.Text)
	case protocol.CodeBusTooLarge:
		return message(http.StatusRequestEntityTooLarge, refusal.Text)
	}
	return message(http.StatusUnprocessableEntity, refusal.Text)
}

// singlePayload is the body as it is broadcast: JSON that is no object arrives
// wrapped, as it does from upstream.
func singlePayload(r request) (protocol.Encoding, []byte, *response) {
	switch contentType(r.Header) {
	case typeBytes:
		return protocol.EncodingBinary, r.body, nil
	case typeJSON:
	default:
		bad := unsupported("Unsupported Media Type. Use application/json or application/octet-stream")
		return 0, nil, &bad
	}
	body := bytes.TrimSpace(r.body)
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
// body win over it. Here it is an error that the two differ, since a message that
// was meant to be private must not become public.
func singlePrivate(r request, p channels.Publication) (private bool, bad *response) {
	text := last(r.URL.Query(), "private")
	private = strings.EqualFold(text, "true")
	if !private && text != "" && !strings.EqualFold(text, "false") {
		return false, invalidField("private", invalid)
	}
	if p.Encoding != protocol.EncodingJSON {
		return private, nil
	}
	var body map[string]json.RawMessage
	_ = json.Unmarshal(p.Payload, &body) // it is an object
	inBody, known := boolean(body["private"])
	if known && inBody != private {
		const text = `"private" in the body contradicts the query parameter: make them equal, or name the key otherwise`
		contradiction := message(http.StatusUnprocessableEntity, text)
		return false, &contradiction
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
