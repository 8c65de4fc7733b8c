package protocol

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"walcast/internal/transcript"
)

// seed adds the recorded client frames of one kind that differ most.
func seed(f *testing.F, v Version, isBinary bool) {
	for _, file := range transcript.ReadAll(f, "../testdata/transcripts/0[27]-*.jsonl") {
		for _, s := range file.Sections {
			for _, l := range s.Lines {
				data, b, ok := l.Message()
				if version, err := ParseVersion(l.Vsn); ok && err == nil && l.Dir == ">" && version == v && b == isBinary && len(data) < 2000 {
					f.Add(data)
				}
			}
		}
	}
}

// checkDecoded holds what is true of every message, whatever was sent: replies
// to it are valid frames that name its reference and topic.
func checkDecoded(t *testing.T, m Message) {
	t.Helper()
	if !utf8.ValidString(m.Topic) || !utf8.ValidString(m.Event) || !utf8.ValidString(m.UserEvent) {
		t.Fatalf("message %+v is not UTF-8", m)
	}
	if m.Kind == JSON && !json.Valid(m.Payload) {
		t.Fatalf("payload %q is not JSON", m.Payload)
	}
	var parts [5]json.RawMessage
	frame := V2.ReplyTo(m, m.JoinRef, StatusOK, EmptyObject).Payload()
	if err := json.Unmarshal(frame, &parts); err != nil {
		t.Fatalf("reply %s: %v", frame, err)
	}
	if !json.Valid(V1.ReplyTo(m, m.JoinRef, StatusOK, EmptyObject).Payload()) {
		t.Fatalf("reply in 1.0.0 to %+v is not JSON", m)
	}
	again, err := V2.Decode(frame, false)
	if err != nil || again.JoinRef != m.JoinRef || again.Ref != m.Ref || again.Topic != m.Topic || !bytes.Equal(again.OddTopic, m.OddTopic) {
		t.Fatalf("reply %s names %+v, %v; want the refs and topic of %+v", frame, again, err, m)
	}
}

func FuzzDecodeV1(f *testing.F) {
	seed(f, V1, false)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := V1.Decode(data, false)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("Decode(%q) read what is not JSON", data)
		}
		checkDecoded(t, m)
	})
}

func FuzzDecodeV2(f *testing.F) {
	seed(f, V2, false)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := V2.Decode(data, false)
		var parts []json.RawMessage
		if strict := json.Unmarshal(data, &parts); err != nil && strict == nil && len(parts) > 4 && utf8.Valid(data) && !bytes.Contains(data, []byte(`\u`)) {
			t.Fatalf("Decode(%q): %v; encoding/json reads it", data, err)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(parts[4], m.Payload) {
			t.Fatalf("Decode(%q) has payload %q; want %q", data, m.Payload, parts[4])
		}
		checkDecoded(t, m)
	})
}

func FuzzDecodeBinary(f *testing.F) {
	seed(f, V2, true)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := V2.Decode(data, true)
		if err != nil {
			return
		}
		checkDecoded(t, m)
		if !bytes.HasSuffix(data, m.Payload) {
			t.Fatalf("Decode(%x) has payload %x, which is not its end", data, m.Payload)
		}
		if m.Kind != UserBroadcast {
			return
		}
		// What comes in as kind 3 goes out as kind 4 with the same content.
		b := Broadcast{Event: m.UserEvent, Encoding: m.Encoding, Payload: m.Payload}
		frame := V2.Broadcast(m.Topic, b).Payload()
		head := append([]byte{4, byte(len(m.Topic)), byte(len(m.UserEvent)), 0, byte(m.Encoding)}, m.Topic+m.UserEvent...)
		if !bytes.Equal(frame, append(head, m.Payload...)) {
			t.Fatalf("kind 3 %x goes out as %x", data, frame)
		}
		if text := V1.Broadcast(m.Topic, b); text != nil && !json.Valid(text.Payload()) {
			t.Fatalf("kind 3 %x goes out as %s", data, text.Payload())
		}
	})
}
