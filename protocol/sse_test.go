package protocol

import (
	"strings"
	"testing"
	"time"
)

func TestEventStreamBlocks(t *testing.T) {
	head := []byte("HTTP/1.1 200 OK\r\n\r\n")
	for _, c := range []struct {
		name  string
		frame *Frame
		want  string
	}{
		{"the head", StreamHead(head, 1500*time.Millisecond), "HTTP/1.1 200 OK\r\n\r\nretry: 1500\n\n"},
		{"a sign of life with a position", StreamAlive("16/B374D848:3"), ":\nid: 16/B374D848:3\n\n"},
		{"a sign of life without", StreamAlive(""), ":\n\n"},
		{
			"the end, and why", SSE.StreamEnd(CloseRestart, "server is stopping", 2*time.Second),
			"retry: 2000\nevent: system\ndata: " + `{"message":"server is stopping","status":"error","extension":"system","code":1012}` + "\n\n",
		},
		{"the end, said before", SSE.StreamEnd(CloseNormal, "", 2*time.Second), "retry: 2000\n\n"},
		{
			"the end without names", UnnamedSSE.StreamEnd(CloseRestart, "server is stopping", 2*time.Second),
			"retry: 2000\ndata: " + `{"event":"system","payload":{"message":"server is stopping","status":"error","extension":"system","code":1012}}` + "\n\n",
		},
		{
			"an event without a position", SSE.Push(`"1"`, `"2"`, "realtime:room", EventPresenceState, EmptyObject),
			"event: presence_state\ndata: {}\n\n",
		},
	} {
		if got := string(c.frame.Wire()); got != c.want || string(c.frame.Payload()) != c.want {
			t.Errorf("%s is %q, payload %q; want %q", c.name, got, c.frame.Payload(), c.want)
		}
	}
}

// A line break in a payload would end its line: what follows could pass for an
// event of the server's.
func TestEventStreamPayloadsAreOneLine(t *testing.T) {
	payload := []byte("{\r\n\t\"x\": [1,\n2,\r3]\n}")
	for name, f := range map[string]*Frame{
		"relayed":   SSE.Broadcast("realtime:room", Broadcast{Relay: payload}),
		"broadcast": SSE.Broadcast("realtime:room", Broadcast{Event: "a\nb\rid: 1", Encoding: EncodingJSON, Payload: payload}),
		"replayed":  SSE.Replayed(`"1"`, "realtime:room", Broadcast{Event: "e", Encoding: EncodingJSON, Payload: payload}),
		"change":    SSE.ChangesAt("1/2:3", "realtime:room", []byte("[1]"), payload),
		"reply":     SSE.Joined(Message{}, "", "1/2:3", payload),
		"nameless":  UnnamedSSE.PushShared("", "", "realtime:room", "a\nid: 1", payload),
	} {
		wire := string(f.Wire())
		lines := strings.Split(strings.TrimSuffix(wire, "\n\n"), "\n")
		if strings.ContainsRune(wire, '\r') || !strings.HasPrefix(lines[len(lines)-1], "data: {") {
			t.Errorf("%s is %q; want one line of data at the end", name, wire)
		}
		want := 2
		if name == "nameless" {
			want = 1
		}
		if strings.Contains(wire, "\nid: 1/2:3\n") {
			want = 3
		}
		if len(lines) != want {
			t.Errorf("%s has %d lines: %q; want %d", name, len(lines), wire, want)
		}
	}
	if string(payload) != "{\r\n\t\"x\": [1,\n2,\r3]\n}" {
		t.Errorf("payload became %q; it is shared and may not change", payload)
	}
}

func TestEventStreamsHaveNoBytes(t *testing.T) {
	for name, b := range map[string]Broadcast{
		"kind 0":       {Opaque: []byte{1, 2}},
		"bytes":        {Event: "e", Payload: []byte{1, 2}},
		"not so JSON":  {Event: "e", Encoding: EncodingJSON, Payload: []byte("}")},
		"broken lines": {Event: "e", Encoding: EncodingJSON, Payload: []byte("1\n\nevent: x\ndata: 2")},
	} {
		if f := SSE.Broadcast("realtime:room", b); f != nil {
			t.Errorf("%s goes out as %q; want nothing", name, f.Wire())
		}
	}
}
