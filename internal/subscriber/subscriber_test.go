package subscriber

import (
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"http://127.0.0.1:4000":                     "ws://127.0.0.1:4000/realtime/v1/websocket?vsn=2.0.0",
		"https://realtime.example.com/":             "wss://realtime.example.com/realtime/v1/websocket?vsn=2.0.0",
		"https://x.supabase.co/realtime/v1":         "wss://x.supabase.co/realtime/v1/websocket?vsn=2.0.0",
		"ws://127.0.0.1:4000/socket/websocket":      "ws://127.0.0.1:4000/socket/websocket?vsn=2.0.0",
		"wss://realtime.example.com/behind/a/proxy": "wss://realtime.example.com/behind/a/proxy/realtime/v1/websocket?vsn=2.0.0",
	} {
		c := Config{URL: url}
		if got, err := c.address(); err != nil || got.String() != want {
			t.Errorf("%s: the WebSocket is at %s, %v; want %s", url, got, err, want)
		}
	}
	for _, url := range []string{"", "127.0.0.1:4000", "ftp://a", "http://", "http://user:secret@:x", "ftp://user:secret@a"} {
		c := Config{URL: url}
		if got, err := c.address(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the WebSocket is at %v, %v; want an error without the password", url, got, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"16/B374D848:3", "16/B374D848:3@7312345678901234567.1a2b.1.9f8e"} {
		if p, err := ParsePlace(text); err != nil || p.String() != text {
			t.Errorf("%s is read as %s, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "12", "16/B374D848", ":3", "16/:3", "/B3:3", "16/B3:"} {
		if p, err := ParsePlace(text); err == nil {
			t.Errorf("%q is read as %s; want an error", text, p)
		}
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, data, topic, event, payload string
		isBinary                          bool
	}{
		{name: "text", data: `["1","2","realtime:a","system",{"status":"ok"}]`, topic: "realtime:a", event: "system", payload: `{"status":"ok"}`},
		{name: "text without refs", data: `[null,null,"realtime:a","broadcast",{"event":"x"},1]`, topic: "realtime:a", event: "broadcast", payload: `{"event":"x"}`},
		{
			name: "a broadcast", data: "\x04\x0a\x03\x00\x01realtime:acur{\"x\":1}", topic: "realtime:a", event: "broadcast", isBinary: true,
			payload: `{"event":"cur","type":"broadcast","payload":{"x":1}}`,
		},
		{
			name: "a broadcast with metadata", data: "\x04\x0a\x03\x0a\x01realtime:acur{\"id\":\"5\"}{\"x\":1}", topic: "realtime:a", event: "broadcast", isBinary: true,
			payload: `{"event":"cur","type":"broadcast","payload":{"x":1},"meta":{"id":"5"}}`,
		},
		{
			name: "a broadcast of bytes", data: "\x04\x0a\x03\x00\x00realtime:acur\x00\xff", topic: "realtime:a", event: "broadcast", isBinary: true,
			payload: `{"event":"cur","type":"broadcast","base64":"AP8="}`,
		},
		{
			name: "relayed bytes", data: "\x02\x0a\x09realtime:abroadcast\x00\xff", topic: "realtime:a", event: "broadcast", isBinary: true,
			payload: `{"event":"broadcast","type":"broadcast","base64":"AP8="}`,
		},
	} {
		decode := decodeText
		if c.isBinary {
			decode = decodeBinary
		}
		if f, err := decode([]byte(c.data)); err != nil || f.topic != c.topic || f.event != c.event || string(f.payload) != c.payload {
			t.Errorf("%s: read as %s %s %s, %v; want %s %s %s", c.name, f.topic, f.event, f.payload, err, c.topic, c.event, c.payload)
		}
	}
}

func FuzzFrames(f *testing.F) {
	for _, data := range []string{`["1","2","realtime:a","system",{}]`, "\x04\x0a\x03\x00\x01realtime:acur{\"x\":1}", "\x02\x0a\x09realtime:abroadcast\x00", "\x04", "[]"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := decodeBinary(data); err == nil && (got.topic == "" && got.event == "" || len(got.payload) == 0) {
			t.Errorf("%q is read as %+v", data, got)
		}
		got, err := decodeText(data)
		if err != nil {
			return
		}
		text, err := got.encode()
		if err != nil {
			t.Fatalf("%q is read as %+v, which cannot be written: %v", data, got, err)
		}
		if again, err := decodeText(text); err != nil || again.topic != got.topic || again.event != got.event {
			t.Errorf("%q is read as %+v, and again as %+v, %v", data, got, again, err)
		}
	})
}
