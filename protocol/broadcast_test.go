package protocol

import (
	"strings"
	"testing"
)

// The table of docs/protocol.md, "Forms of a broadcast", and what cannot be
// delivered.
func TestBroadcastForms(t *testing.T) {
	meta := []byte(`{"id":"7"}`)
	long := strings.Repeat("e", 256)
	for _, c := range []struct {
		name   string
		topic  string
		b      Broadcast
		v1, v2 string // payloads, "" for not delivered; \x04 and \x02 are binary
	}{
		{
			name: "pushed text", b: Broadcast{Relay: []byte(`{"x": 1.50}`)},
			v1: `{"ref":null,"event":"broadcast","payload":{"x": 1.50},"topic":"realtime:a"}`,
			v2: `[null,null,"realtime:a","broadcast",{"x": 1.50}]`,
		},
		{
			name: "JSON", b: Broadcast{Event: `c"`, Encoding: EncodingJSON, Payload: []byte(`{"x": 1.50}`)},
			v1: `{"ref":null,"event":"broadcast","payload":{"event":"c\"","payload":{"x": 1.50},"type":"broadcast"},"topic":"realtime:a"}`,
			v2: "\x04\x0a\x02\x00\x01realtime:ac\"{\"x\": 1.50}",
		},
		{
			name: "JSON from the database", b: Broadcast{Event: "c", Encoding: EncodingJSON, Payload: []byte(`[]`), Meta: meta},
			v1: `{"ref":null,"event":"broadcast","payload":{"event":"c","meta":{"id":"7"},"payload":[],"type":"broadcast"},"topic":"realtime:a"}`,
			v2: "\x04\x0a\x01\x0a\x01realtime:ac{\"id\":\"7\"}[]",
		},
		{
			name: "bytes", b: Broadcast{Event: "c", Payload: []byte{0xff}, Meta: meta},
			v2: "\x04\x0a\x01\x0a\x00realtime:ac{\"id\":\"7\"}\xff",
		},
		{name: "no bytes", b: Broadcast{Event: "c"}, v2: "\x04\x0a\x01\x00\x00realtime:ac"},
		{name: "kind 0", b: Broadcast{Opaque: []byte{1}}, v2: "\x02\x0a\x09realtime:abroadcast\x01"},
		{name: "kind 0 without payload", b: Broadcast{Opaque: []byte{}}, v2: "\x02\x0a\x09realtime:abroadcast"},
		{
			name: "an event that does not fit", b: Broadcast{Event: long, Encoding: EncodingJSON, Payload: []byte("1")},
			v1: `{"ref":null,"event":"broadcast","payload":{"event":"` + long + `","payload":1,"type":"broadcast"},"topic":"realtime:a"}`,
		},
		{
			name: "a topic that does not fit", topic: long, b: Broadcast{Event: "c", Encoding: EncodingJSON, Payload: []byte("1")},
			v1: `{"ref":null,"event":"broadcast","payload":{"event":"c","payload":1,"type":"broadcast"},"topic":"` + long + `"}`,
		},
		{
			name: "text fits any topic", topic: long, b: Broadcast{Relay: []byte("{}")},
			v1: `{"ref":null,"event":"broadcast","payload":{},"topic":"` + long + `"}`,
			v2: `[null,null,"` + long + `","broadcast",{}]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.topic == "" {
				c.topic = "realtime:a"
			}
			checkFrame(t, V1.Broadcast(c.topic, c.b), c.v1)
			checkFrame(t, V2.Broadcast(c.topic, c.b), c.v2)
			if err := c.b.CheckHeader(c.topic); (err != nil) != (c.v2 == "") {
				t.Errorf("CheckHeader = %v, but 2.0.0 gets %q", err, c.v2)
			}
		})
	}
}

func checkFrame(t *testing.T, f *Frame, want string) {
	t.Helper()
	if f == nil || want == "" {
		if f != nil || want != "" {
			t.Errorf("frame %v; want %q", f, want)
		}
		return
	}
	opcode, payload := unframe(t, f)
	if wantOpcode := map[bool]byte{true: opText, false: opBinary}[want[0] >= ' ']; string(payload) != want || opcode != wantOpcode {
		t.Errorf("opcode %d, payload %q; want %d, %q", opcode, payload, wantOpcode, want)
	}
}

// Upstream splices what a client calls JSON into text frames, which breaks
// its receivers, and their socket when it is not UTF-8. Relayed as it is, in a
// binary frame, it harms no client.
func TestBroadcastsThatAreNotJSON(t *testing.T) {
	for _, payload := range []string{"this is not JSON", "", "\"\xff\"", "1,\"injected\":1", `{}}`} {
		b := Broadcast{Event: "e", Encoding: EncodingJSON, Payload: []byte(payload)}
		if f := V1.Broadcast("realtime:a", b); f != nil {
			t.Errorf("V1.Broadcast of %q = %s; want nothing", payload, f.Payload())
		}
		if f := V1.Replayed("", "realtime:a", b); f != nil || b.Text() != nil {
			t.Errorf("%q became text: %v, %s", payload, f, b.Text())
		}
		checkFrame(t, V2.Broadcast("realtime:a", b), "\x04\x0a\x01\x00\x01realtime:ae"+payload)
	}
}

func TestReplayedGoesToOneChannel(t *testing.T) {
	b := Broadcast{Event: "e", Encoding: EncodingJSON, Payload: []byte(`{"n":1}`), Meta: []byte(`{"id":"7","replayed":true}`)}
	checkFrame(t, V2.Replayed(`"1"`, "realtime:a", b),
		`["1",null,"realtime:a","broadcast",{"event":"e","meta":{"id":"7","replayed":true},"payload":{"n":1},"type":"broadcast"}]`)
	b.Encoding = EncodingBinary
	checkFrame(t, V2.Replayed(`"1"`, "realtime:a", b), "\x04\x0a\x01\x1a\x00realtime:ae{\"id\":\"7\",\"replayed\":true}{\"n\":1}")
	checkFrame(t, V1.Replayed(`"1"`, "realtime:a", b), "")
}
