package protocol

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		version     Version
		binary      bool
		want        Message
	}{
		{
			name: "1.0.0 keeps references and payload as they are", version: V1,
			frame: ` {"join_ref":7, "extra":[1], "ref":{"a":1.50}, "payload":{"x":1.50, "x":2}, "event":"e\u0021", "topic":"realtime:\u00fc"} `,
			want:  Message{JoinRef: "7", Ref: `{"a":1.50}`, Topic: "realtime:ü", Event: "e!", Payload: []byte(`{"x":1.50, "x":2}`)},
		},
		{
			name: "1.0.0 in a binary frame", version: V1, binary: true,
			frame: `{"topic":"phoenix","event":"heartbeat","payload":null,"ref":null}`,
			want:  Message{Topic: "phoenix", Event: "heartbeat", Payload: []byte("null")},
		},
		{
			name: "the last of repeated keys counts", version: V1,
			frame: `{"topic":"a","topic":"b","event":"e","payload":1,"ref":"1"}`,
			want:  Message{Ref: `"1"`, Topic: "b", Event: "e", Payload: []byte("1")},
		},
		{
			name: "2.0.0 ignores more elements", version: V2,
			frame: `["1", "2" ,"realtime:a","phx_join", [] , {"more":1}, 7]`,
			want:  Message{JoinRef: `"1"`, Ref: `"2"`, Topic: "realtime:a", Event: "phx_join", Payload: []byte("[]")},
		},
		{
			name: "2.0.0 with a topic and an event that are no strings", version: V2,
			frame: `[null,"2",["realtime:a"],5,{}]`,
			want:  Message{Ref: `"2"`, OddTopic: []byte(`["realtime:a"]`), Payload: []byte("{}")},
		},
		{
			name: "kind 0", version: V2, binary: true,
			frame: "\x00\x01\x00\x0a\x031realtime:aevt\x01\x02",
			want:  Message{JoinRef: `"1"`, Ref: `""`, Topic: "realtime:a", Event: "evt", Kind: Binary, Payload: []byte("\x01\x02")},
		},
		{
			name: "kind 3 with JSON, an odd encoding and metadata", version: V2, binary: true,
			frame: "\x03\x01\x01\x0a\x03\x07\xff1" + `"` + "realtime:acur" + `{"a":1}` + `{"x":1}`,
			want: Message{
				JoinRef: `"1"`, Ref: `"\""`, Topic: "realtime:a", Event: EventBroadcast, Kind: UserBroadcast,
				Payload: []byte(`{"x":1}`), UserEvent: "cur", Encoding: EncodingJSON, Metadata: []byte(`{"a":1}`),
			},
		},
		{
			name: "kind 3 with an empty binary payload", version: V2, binary: true,
			frame: "\x03\x00\x00\x0a\x00\x00\x00realtime:a",
			want:  Message{JoinRef: `""`, Ref: `""`, Topic: "realtime:a", Event: EventBroadcast, Kind: UserBroadcast},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.version.Decode([]byte(c.frame), c.binary)
			if err != nil {
				t.Fatalf("Decode(%q): %v", c.frame, err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Decode(%q) differs (-want +got):\n%s", c.frame, diff)
			}
		})
	}
}

func TestDecodeRefusesMalformedFrames(t *testing.T) {
	for _, c := range []struct {
		version Version
		binary  bool
		frame   string
	}{
		{V1, false, ""},
		{V1, false, `[null,"1","phoenix","heartbeat",{}]`},
		{V1, false, `{"topic":"a","event":"e","payload":{}}`},
		{V1, false, `{"event":"e","payload":{},"ref":"1"}`},
		{V1, false, `{"topic":"a","payload":{},"ref":"1"}`},
		{V1, false, `{"topic":"a","event":"e","ref":"1"}`},
		{V1, true, "\x00\x00\x00\x00\x00"},
		{V2, false, `{"topic":"a","event":"e","payload":{},"ref":"1"}`},
		{V2, false, `[null,"1","phoenix","heartbeat"]`},
		{V2, false, `[null,"1","phoenix","heartbeat",{}] x`},
		{V2, true, ""},
		{V2, true, "\x00"},
		{V2, true, "\x00\x01\x00\x00\x00"},             // shorter than its header says
		{V2, true, "\x00\x00\x00\x01\x00\xff"},         // topic is not UTF-8
		{V2, true, "\x03\x00\x00\x00\x00\x00"},         // header is cut off
		{V2, true, "\x03\x00\x00\x00\x00\x01\x01x"},    // metadata is not JSON
		{V2, true, "\x03\x00\x00\x00\x01\x00\x01\xc3"}, // event is not UTF-8
		{V2, true, "\x01\x00\x00\x00\x00"},             // kinds that only servers send
		{V2, true, "\x04\x00\x00\x00\x00"},
		{V2, true, `[null,"1","phoenix","heartbeat",{}]`},
	} {
		if m, err := c.version.Decode([]byte(c.frame), c.binary); err == nil {
			t.Errorf("%s.Decode(%q) = %+v; want an error", c.version, c.frame, m)
		}
	}
}

func TestDecodeSurvivesDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat(`]}`, n/2) }
	flat := `["[[{` + strings.Repeat(`[`, 5000) + `","\\\"[[",` + strings.Repeat("[],", 5000) + `{}]`
	for payload, want := range map[string]bool{
		nested(maxNesting - 2): true, flat: true, nested(maxNesting): false, nested(8000): false, strings.Repeat(`[`, 1_000_000): false,
	} {
		m, err := V2.Decode([]byte(`["1","1","realtime:a","phx_join",`+payload+`]`), false)
		if (err == nil) != want || want && string(m.Payload) != payload {
			t.Errorf("Decode of %d bytes, %.20s…: %v; want it read: %t", len(payload), payload, err, want)
		}
		_, err = V1.Decode([]byte(`{"ref":"1","topic":"realtime:a","event":"phx_join","payload":`+payload+`}`), false)
		if (err == nil) != want {
			t.Errorf("Decode of version 1.0.0, %d bytes, %.20s…: %v; want it read: %t", len(payload), payload, err, want)
		}
	}
}
