package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"walcast/internal/transcript"
)

// Frames of 2.0.0 that upstream did not react to and walcast reads, and why.
var decodesOtherwise = map[string]string{
	// Upstream's parser has no number that large. Ours keeps payloads as they are.
	`[null,"1","phoenix","heartbeat",{"n":1e999}]`: "payload numbers are kept as text",
	// Read by upstream too: an event that is no string is unknown to the joined channel.
	`["1","1","realtime:m",5,{}]`: "unknown events are not answered",
	// Upstream crashes on an object; all other topics that are not strings are answered.
	`["1","1",{},"phx_join",{"config":{}}]`: "answered as other odd topics are",
}

func TestRecordedClientFrames(t *testing.T) {
	decoded, malformed := 0, 0
	for _, file := range transcript.ReadAll(t, "../testdata/transcripts/*.jsonl") {
		for _, s := range file.Sections {
			t.Run(file.Name+"/"+s.Name, func(t *testing.T) {
				for i, l := range s.Lines {
					data, isBinary, ok := l.Message()
					if !ok || l.Dir != ">" {
						continue
					}
					m, err := versionOf(t, l).Decode(data, isBinary)
					if expectsMalformed(s, i, data) {
						malformed++
						if err == nil {
							t.Errorf("Decode(%s) = %+v; upstream did not react to it", l.Frame, m)
						}
						continue
					}
					decoded++
					if err != nil {
						t.Errorf("Decode(%s): %v; upstream read it", l.Frame, err)
						continue
					}
					checkMessage(t, l, data, isBinary, m)
				}
			})
		}
	}
	if decoded < 1490 || malformed < 80 {
		t.Errorf("%d frames decoded, %d malformed; the transcripts have more", decoded, malformed)
	}
}

func versionOf(t *testing.T, l transcript.Line) Version {
	t.Helper()
	v, err := ParseVersion(l.Vsn)
	if err != nil {
		t.Fatalf("version of socket %s: %v", l.Conn, err)
	}
	return v
}

// expectsMalformed says whether the server did not react to a frame in one of
// the sections that show malformed ones; elsewhere all frames are good. After
// each such frame the recorder sent a heartbeat or, in older sections, paused.
func expectsMalformed(s transcript.Section, i int, data []byte) bool {
	if s.Lines[i].Vsn != "1.0.0" && decodesOtherwise[string(data)] != "" {
		return false
	}
	switch {
	case strings.HasPrefix(s.Name, "malformed text frames"), strings.HasPrefix(s.Name, "binary frames that fit nothing"),
		strings.HasPrefix(s.Name, "text frame"), strings.HasPrefix(s.Name, "lone surrogate"):
	case s.Name == "kind 3 with metadata":
		return bytes.Contains(data, []byte("not json"))
	default:
		return false
	}
	if isProbe(data) {
		return false
	}
	for _, next := range s.Lines[i+1:] {
		answer, _, _ := next.Message()
		switch {
		case next.Dir == "<" && !isProbe(answer):
			return false
		case next.Dir == ">" && !isProbe(answer):
			return true
		}
	}
	return true
}

// isProbe recognises the recorder's own heartbeats and their replies.
func isProbe(data []byte) bool { return bytes.Contains(data, []byte(`"hb`)) }

// checkMessage compares a message with an independent reading of the frame.
func checkMessage(t *testing.T, l transcript.Line, data []byte, isBinary bool, m Message) {
	t.Helper()
	var want map[string]any
	switch {
	case isBinary && len(data) > 0 && data[0] < '0':
		want = readBinary(t, l)
	case versionOf(t, l) == V1:
		want = readObject(t, data)
	default:
		want = readArray(t, data)
	}
	topic := any(m.Topic)
	if m.OddTopic != nil {
		topic = decodeAny(t, m.OddTopic)
	}
	got := map[string]any{"join_ref": refAny(t, m.JoinRef), "ref": refAny(t, m.Ref), "topic": topic, "event": m.Event}
	if _, isString := want["event"].(string); !isString {
		want["event"] = ""
	}
	for key, g := range got {
		if fmt.Sprint(g) != fmt.Sprint(want[key]) {
			t.Errorf("Decode(%s) has %s %v; want %v", l.Frame, key, g, want[key])
		}
	}
	if m.Kind == JSON && !bytes.Contains(data, m.Payload) {
		t.Errorf("Decode(%s) has payload %s, which is not part of the frame", l.Frame, m.Payload)
	}
	if m.Kind == JSON && fmt.Sprint(decodeAny(t, m.Payload)) != fmt.Sprint(want["payload"]) {
		t.Errorf("Decode(%s) has payload %s; want %v", l.Frame, m.Payload, want["payload"])
	}
	if m.Kind != JSON && !bytes.HasSuffix(data, m.Payload) {
		t.Errorf("Decode(%s) has payload %x, which is not the frame's end", l.Frame, m.Payload)
	}
	if m.Kind == UserBroadcast && m.UserEvent != want["user_event"] {
		t.Errorf("Decode(%s) has user event %q; want %v", l.Frame, m.UserEvent, want["user_event"])
	}
}

func readArray(t *testing.T, data []byte) map[string]any {
	parts, ok := decodeAny(t, data).([]any)
	if !ok || len(parts) < 5 {
		t.Fatalf("frame %s has no five elements", data)
	}
	return map[string]any{"join_ref": parts[0], "ref": parts[1], "topic": parts[2], "event": parts[3], "payload": parts[4]}
}

func readObject(t *testing.T, data []byte) map[string]any {
	frame, ok := decodeAny(t, data).(map[string]any)
	if !ok {
		t.Fatalf("frame %s is no object", data)
	}
	return frame
}

// readBinary is the recorder's reading.
func readBinary(t *testing.T, l transcript.Line) map[string]any {
	frame := readObject(t, l.Decoded())
	if frame["kind"] == json.Number("3") {
		frame["event"] = EventBroadcast
	}
	return frame
}

func refAny(t *testing.T, r Ref) any {
	if r.IsNull() {
		return nil
	}
	return decodeAny(t, []byte(r))
}

func decodeAny(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %.200s: %v", text, err)
	}
	return v
}
