package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReadMessagesRelaysWhatWasSent(t *testing.T) {
	messages, bad := readMessages([]byte(`{"messages":[
		{"topic":"a","event":"e","payload":{"z":1.50, "a":[1]},"private":"true","id":"my-id","extra":1},
		{"topic":"b","event":"\u00fc","payload":{}}]}`), 100)
	if bad != nil || len(messages) != 2 {
		t.Fatalf("readMessages = %v, %s", messages, bad.body)
	}
	a, b := messages[0], messages[1]
	if a.Topic != "a" || !a.Private || b.Topic != "b" || b.Private {
		t.Errorf("topics %+v, %+v", a, b)
	}
	if got, want := string(a.Relay), `{"event":"e","meta":{"id":"my-id"},"payload":{"z":1.50, "a":[1]},"type":"broadcast"}`; got != want {
		t.Errorf("relayed %s; want %s", got, want)
	}
	if got, want := string(b.Relay), `{"event":"ü","payload":{},"type":"broadcast"}`; got != want {
		t.Errorf("relayed %s; want %s", got, want)
	}
}

func TestReadMessagesSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{``, `{"errors":{"messages":["can't be blank"]}}`},
		{`[]`, `{"errors":{"messages":["can't be blank"]}}`},
		{`{"messages":[1]}`, `{"errors":{"messages":["is invalid"]}}`},
		{`{"messages":[null]}`, `{"errors":{"messages":["is invalid"]}}`},
		{`{"messages":"x"}`, `{"errors":{"messages":["is invalid"]}}`},
		{`{"Messages":[]}`, `{"errors":{"messages":["can't be blank"]}}`},
		{
			`{"messages":[{"topic":"a","event":"e","payload":{}},{"topic":" ","event":5,"payload":[],"private":"yes","id":5}]}`,
			`{"errors":{"messages":[{},{"event":["is invalid"],"id":["is invalid"],"payload":["is invalid"],"private":["is invalid"],"topic":["can't be blank"]}]}}`,
		},
		{
			`{"messages":[{"topic":"a","event":"e","payload":{"s":"` + strings.Repeat("x", 100) + `"}}]}`,
			`{"errors":{"messages":[{"payload":["Payload size exceeds tenant limit"]}]}}`,
		},
		{
			`{"messages":[{"topic":"a","event":"e","payload":{"x":1e999}},{"topic":"a","event":"e","payload":{"x":"1e999"}}]}`,
			`{"errors":{"messages":[{"payload":["has a number that a double cannot hold"]},{}]}}`,
		},
		{
			`{"messages":[{"topic":"a\u0000","event":"e","payload":{}},{"topic":"` + strings.Repeat("x", 1025) + `","event":"e","payload":{}}]}`,
			`{"errors":{"messages":[{"topic":["A topic name has no control characters"]},{"topic":["A topic name has at most 1024 bytes"]}]}}`,
		},
		{`{"messages":`, `{"message":"Bad Request: the body is not JSON"}`},
	} {
		if _, bad := readMessages([]byte(c.body), 100); bad == nil || string(bad.body) != c.want {
			t.Errorf("readMessages(%s) answered %v; want %s", c.body, bad, c.want)
		}
	}
}

// TestABatchCannotBeKept: there is one id in an answer, and none is stored unsaid.
func TestABatchCannotBeKept(t *testing.T) {
	for _, query := range []string{"persist=true", "persist[ttl]=60", "persist=maybe"} {
		r := httptest.NewRequest(http.MethodPost, "/api/broadcast?"+query, nil)
		r.Header.Set("Content-Type", "application/json")
		b := broadcasts{hub: fakeHub{}}
		got := b.several(request{Request: r, body: []byte(`{"messages":[{"topic":"room","event":"e","payload":{},"private":true}]}`)})
		const want = `{"errors":{"persist":["can only be used with one message`
		if got.status != http.StatusUnprocessableEntity || !strings.HasPrefix(string(got.body), want) {
			t.Errorf("%s: %d %s; want 422 %s", query, got.status, got.body, want)
		}
	}
}
