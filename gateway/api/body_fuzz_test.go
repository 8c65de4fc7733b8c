package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"unicode/utf8"

	"walcast/protocol"
)

// FuzzMessagesBody reads any bytes as the body of POST /api/broadcast: they are
// messages that every client can read, or are refused with a reason.
func FuzzMessagesBody(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{}`, `[]`, `{"messages":null}`, `{"messages":{}}`, `{"messages":[]}`, `{"messages":[null]}`, `{"messages":[1]}`,
		`{"messages":[{"topic":"t","event":"e","payload":{}}]}`,
		`{"messages":[{"topic":"t","event":"e","payload":{"a":1.50},"private":"true","id":"x"},{"topic":" ","event":5}]}`,
		`{"messages":[{"topic":"t","event":"e","payload":[1],"private":2,"id":{}}]}`,
		"{\"messages\":[{\"topic\":\"t\",\"event\":\"e\",\"payload\":{\"s\":\"\xff\"},\"id\":\"\xfe\"}]}",
		`{"messages":[{"topic":"\ud800","event":"\u0000","payload":{"":"\udfff"}}]} `,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, bad := readMessages(body, 1000)
		if bad != nil {
			if len(messages) > 0 || bad.status < 400 || bad.status > 499 || !json.Valid(bad.body) {
				t.Fatalf("readMessages(%q) = %d messages and %d %s; want a refusal with a reason", body, len(messages), bad.status, bad.body)
			}
			return
		}
		if len(messages) == 0 {
			t.Fatalf("readMessages(%q) = nothing; want messages or a refusal", body)
		}
		for _, m := range messages {
			if m.Topic == "" {
				t.Errorf("readMessages(%q) has a message without a topic", body)
			}
			wantReadable(t, body, m.Broadcast)
		}
	})
}

// wantReadable wants the frames of a broadcast that claims to be JSON to be
// readable by clients of both versions.
func wantReadable(t *testing.T, body []byte, b protocol.Broadcast) {
	t.Helper()
	for _, v := range []protocol.Version{protocol.V1, protocol.V2} {
		frame := v.Broadcast("realtime:t", b)
		if frame == nil {
			t.Fatalf("broadcast of %q does not go to clients of vsn %s", body, v)
		}
		text := frame.Payload()
		if v == protocol.V2 && text[0] == 4 { // the user's payload comes last
			text = text[bytes.IndexByte(text, '{'):]
		}
		if !json.Valid(text) || !utf8.Valid(text) {
			t.Fatalf("broadcast of %q goes as %q to clients of vsn %s; want JSON", body, frame.Payload(), v)
		}
	}
}

// FuzzSingleBody does the same with the body of a single broadcast.
func FuzzSingleBody(f *testing.F) {
	for _, body := range []string{``, ` `, `null`, `{}`, `[1]`, `"text"`, `5`, `{"private":"true"}`, `{"a":`, "{\"s\":\"\xff\"}", "\"\xff\""} {
		f.Add([]byte(body), typeJSON)
		f.Add([]byte(body), typeBytes)
	}
	f.Add([]byte(`{}`), "application/json; charset=utf-8")
	f.Add([]byte(`{}`), "text/plain")
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		c := request{Request: &http.Request{Header: http.Header{"Content-Type": {kind}}}, body: body}
		encoding, payload, bad := singlePayload(c)
		switch {
		case bad != nil:
			if bad.status < 400 || bad.status > 499 || !json.Valid(bad.body) {
				t.Fatalf("payload of %q, %q = %d %s; want a refusal with a reason", body, kind, bad.status, bad.body)
			}
		case encoding == protocol.EncodingBinary:
			if !bytes.Equal(payload, body) {
				t.Fatalf("payload of %q, %q = %q; want it as it is", body, kind, payload)
			}
		default:
			wantReadable(t, body, protocol.Broadcast{Event: "e", Encoding: encoding, Payload: payload})
		}
	})
}
