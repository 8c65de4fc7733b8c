package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"walcast/channels"
	"walcast/protocol"
)

// streamQuery is what the query of a request asks an event stream for.
type streamQuery struct {
	channels.Stream
	version protocol.Version
	join    protocol.Message
}

// streamRef is join_ref and ref of a stream's only message.
const streamRef protocol.Ref = `"1"`

// streamConfig is the config of a join.
type streamConfig struct {
	Private  bool              `json:"private"`
	Presence streamPresence    `json:"presence"`
	Bindings []json.RawMessage `json:"postgres_changes"`
}

type streamPresence struct {
	Enabled bool `json:"enabled"`
}

// streamBinding is the binding that is written in parameters.
type streamBinding struct {
	Event  *string  `json:"event,omitempty"`
	Schema *string  `json:"schema,omitempty"`
	Table  *string  `json:"table,omitempty"`
	Filter *string  `json:"filter,omitempty"`
	Select []string `json:"select,omitempty"`
	Int8   *string  `json:"int8,omitempty"`

	Snapshot *string `json:"snapshot,omitempty"`
	View     *string `json:"view,omitempty"`
	Order    *string `json:"order,omitempty"`
	Limit    *string `json:"limit,omitempty"`
}

// readStreamQuery makes the join of a stream from its query. An error says what
// is wrong with it; the bindings themselves are judged with the join.
func readStreamQuery(query url.Values, h http.Header) (streamQuery, error) {
	var config streamConfig
	broadcast, named := true, true
	var err error
	for name, to := range map[string]*bool{
		"private": &config.Private, "presence": &config.Presence.Enabled, "broadcast": &broadcast, "named": &named,
	} {
		if *to, err = readFlag(query, name, *to); err != nil {
			return streamQuery{}, err
		}
	}
	if config.Bindings, err = readBindings(query); err != nil {
		return streamQuery{}, err
	}
	topic := last(query, "topic")
	if !utf8.ValidString(topic) {
		return streamQuery{}, errors.New("topic is not UTF-8")
	}
	version := protocol.SSE
	if !named {
		version = protocol.UnnamedSSE
	}
	return streamQuery{
		version: version,
		join: protocol.Message{
			JoinRef: streamRef, Ref: streamRef, Topic: protocol.TopicPrefix + topic, Event: protocol.EventJoin,
			Payload: encode(map[string]any{"config": config}),
		},
		Stream: channels.Stream{Resume: readResume(query, h), Deaf: !broadcast},
	}, nil
}

// readResume is where the client says that it was. An EventSource sends the header
// when it comes back by itself, and repeats the query of its first request, which is
// older: a history there is of the position there, and of the header's only where the
// query has no position.
func readResume(query url.Values, h http.Header) protocol.Resume {
	asked := protocol.Resume{From: last(query, "last_event_id"), History: last(query, "history")}
	switch id := h.Get("Last-Event-Id"); {
	case id == "":
		return asked
	case asked.From == "":
		return protocol.Resume{From: id, History: asked.History}
	default:
		return protocol.Resume{From: id}
	}
}

// readFlag reads true or false. Anything else is refused: a slip must not make a
// channel public.
func readFlag(query url.Values, name string, byDefault bool) (bool, error) {
	if !query.Has(name) {
		return byDefault, nil
	}
	switch text := last(query, name); {
	case strings.EqualFold(text, "true"):
		return true, nil
	case strings.EqualFold(text, "false"):
		return false, nil
	default:
		return false, fmt.Errorf("%s must be true or false, got: %q", name, text)
	}
}

// bindingParameters write one binding.
var bindingParameters = []string{"event", "schema", "table", "filter", "select", "int8", "snapshot", "view", "order", "limit"}

// readBindings reads bindings=[…], or the one binding of the parameters; none is
// fine.
func readBindings(query url.Values) ([]json.RawMessage, error) {
	single := false
	for _, name := range bindingParameters {
		switch n := len(query[name]); {
		case n > 1:
			return nil, fmt.Errorf("%s is given twice: several bindings are written as bindings=[{…},{…}]", name)
		case n == 1 && query.Has("bindings"):
			return nil, fmt.Errorf("%s and bindings are both given: one or the other", name)
		case n == 1:
			single = true
		}
	}
	switch {
	case query.Has("bindings"):
		bindings := []json.RawMessage{}
		if err := json.Unmarshal([]byte(last(query, "bindings")), &bindings); err != nil || bindings == nil {
			return nil, errors.New(`bindings must be a JSON array such as [{"event":"*","schema":"public","table":"todos"}]`)
		}
		return bindings, nil
	case single:
		return []json.RawMessage{encode(readBinding(query))}, nil
	}
	return []json.RawMessage{}, nil
}

func readBinding(query url.Values) streamBinding {
	given := func(name string) *string {
		if !query.Has(name) {
			return nil
		}
		value := query.Get(name)
		return &value
	}
	b := streamBinding{
		Event: given("event"), Schema: given("schema"), Table: given("table"), Filter: given("filter"), Int8: given("int8"),
		Snapshot: given("snapshot"), View: given("view"), Order: given("order"), Limit: given("limit"),
	}
	if public := "public"; b.Table != nil && b.Schema == nil {
		b.Schema = &public
	}
	if columns := given("select"); columns != nil {
		for name := range strings.SplitSeq(*columns, ",") {
			b.Select = append(b.Select, strings.TrimSpace(name))
		}
	}
	return b
}

// encode is JSON as a client would write it, "<" and ">" included: bindings are
// repeated to the client.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings, and JSON that was read
	}
	return bytes.TrimSpace(b.Bytes())
}
