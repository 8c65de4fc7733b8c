package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"walcast/internal/transcript"
)

// seedJoins adds the recorded join payloads that differ most.
func seedJoins(f *testing.F) {
	for _, file := range transcript.ReadAll(f, "../testdata/transcripts/0[28]-*.jsonl") {
		for _, s := range file.Sections {
			for _, l := range s.Lines {
				data, isBinary, ok := l.Message()
				version, err := ParseVersion(l.Vsn)
				if !ok || isBinary || err != nil || l.Dir != ">" || len(data) > 2000 {
					continue
				}
				if m, err := version.Decode(data, false); err == nil && m.Event == EventJoin {
					f.Add(strings.TrimPrefix(m.Topic, TopicPrefix), m.Payload)
				}
			}
		}
	}
}

func FuzzParseJoin(f *testing.F) {
	seedJoins(f)
	f.Fuzz(func(t *testing.T, subTopic string, payload []byte) {
		j, err := ParseJoin(subTopic, payload)
		if err != nil {
			if err.Error() == "" {
				t.Fatalf("ParseJoin(%q) refuses without a reason", payload)
			}
			return
		}
		if j.Replay != nil && (!j.Private || j.Replay.Limit < 1 || j.Replay.Limit > maxReplay) {
			t.Fatalf("ParseJoin(%q) replays %+v", payload, j.Replay)
		}
		var response struct {
			Bindings []json.RawMessage `json:"postgres_changes"`
			Position string
		}
		if err := json.Unmarshal(j.Response("0/1:2", ""), &response); err != nil {
			t.Fatalf("Response %s: %v", j.Response("0/1:2", ""), err)
		}
		if response.Position != "0/1:2" || len(response.Bindings) != len(j.Bindings) {
			t.Fatalf("Response to %q has %d bindings and position %q; want %d", payload, len(response.Bindings), response.Position, len(j.Bindings))
		}
		for i := range j.Bindings {
			checkBinding(t, &j.Bindings[i], response.Bindings[i])
		}
	})
}

// checkBinding holds what is true of every binding.
func checkBinding(t *testing.T, b *Binding, echo json.RawMessage) {
	t.Helper()
	var id struct {
		ID int64 `json:"id"`
	}
	var keys map[string]json.RawMessage // exact names, unlike a struct's
	if err := json.Unmarshal(echo, &keys); err != nil {
		t.Fatalf("echo %s: %v", echo, err)
	}
	if err := json.Unmarshal(keys["id"], &id.ID); err != nil || id.ID != b.ID || id.ID < 1 || id.ID > maxID {
		t.Fatalf("echo %s has id %d, %v; the binding has %d", echo, id.ID, err, b.ID)
	}
	if !bytes.HasPrefix(echo, b.Raw[:len(b.Raw)-1]) {
		t.Fatalf("echo %s does not begin with what the client sent: %s", echo, b.Raw)
	}
	if b.Err == "" && (b.Schema == wildcard || b.Table == wildcard) && b.Select != nil {
		t.Fatalf("binding %s selects columns of many tables", b.Raw)
	}
	if b.Err == "" && b.Event != changeAny && !isChange(b.Event) {
		t.Fatalf("binding %s has event %q", b.Raw, b.Event)
	}
}

func FuzzBinding(f *testing.F) {
	f.Add([]byte(`{"event":"INSERT","schema":"public","table":"todos","filter":"id=eq.1","select":["id"]}`))
	f.Add([]byte(`{"event":5,"schema":null,"auth_token":"x","select":"*"}`))
	f.Add([]byte(`{"table":"t","int8":"string","resume":{"from":"0/1:2"},"snapshot":true,"view":"true"}`))
	f.Add([]byte(`{"a":{"b":[1,{"c":"\u00e9"}],"b":2}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, ok := parse(raw)
		if !ok || v.kind() != '{' {
			return
		}
		j := &Join{}
		b := j.parseBinding(v)
		b.ID = newBindingIDs().next(v)
		checkBinding(t, &b, b.appendEcho(nil))
		sorted, ok := parse([]byte(reorder(v)))
		if again := newBindingIDs().next(sorted); !ok || again != b.ID {
			t.Fatalf("id of %s is %d, of %s %d", v, b.ID, sorted, again)
		}
	})
}
