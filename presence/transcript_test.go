package presence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"walcast/internal/transcript"
)

// frame is a frame of either version.
type frame struct {
	JoinRef string          `json:"join_ref"`
	Topic   string          `json:"topic"`
	Event   string          `json:"event"`
	Payload json.RawMessage `json:"payload"`
}

func frameOf(t *testing.T, l transcript.Line) (f frame) {
	t.Helper()
	// Upstream sends a client's own phx_ref beside the true one, which
	// breaks every client; ours leaves it out.
	text := bytes.ReplaceAll(l.Frame, []byte(`,"phx_ref":"mine","phx_ref_prev":"mine too"}]`), []byte(`}]`))
	if len(text) == 0 || text[0] != '[' {
		_ = json.Unmarshal(text, &f) // notes and elided frames are no frames
		return f
	}
	var parts [5]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		t.Fatalf("frame %s: %v", text, err)
	}
	_ = json.Unmarshal(parts[0], &f.JoinRef) // may be null
	_ = json.Unmarshal(parts[2], &f.Topic)
	_ = json.Unmarshal(parts[3], &f.Event)
	f.Payload = parts[4]
	return f
}

// TestRecordedConversations sends what clients sent to upstream
// through a State, and wants the states and diffs that they got. The order of
// changes of different clients is not the server's promise, so it is not compared.
func TestRecordedConversations(t *testing.T) {
	tracks := 0
	for _, s := range transcript.Read(t, "../testdata/transcripts/09-presence.jsonl").Sections {
		t.Run(s.Name, func(t *testing.T) {
			r := &replay{t: t, topics: map[string]*replayTopic{}, refs: map[string]bool{}, got: map[string][]any{}, want: map[string][]any{}}
			for i, l := range s.Lines {
				r.play(l, s.Lines[i:])
			}
			tracks += r.tracks
			if diff := cmp.Diff(r.want, r.got, cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })); diff != "" {
				t.Errorf("clients got other states and diffs (-recorded +ours):\n%s", diff)
			}
		})
	}
	if tracks < 40 {
		t.Errorf("%d tracks were played; the transcript has more", tracks)
	}
}

// replay is the little of a server that the recorded scenes need.
type replay struct {
	t         *testing.T
	topics    map[string]*replayTopic
	next      ChannelID
	tracks    int
	refs      map[string]bool  // recorded refs that are used up
	got, want map[string][]any // payloads by conn and topic
}

type replayTopic struct {
	state    *State
	channels map[string]*replayChannel // by conn
}

type replayChannel struct {
	id  ChannelID
	key string // "" until the server's choice is seen
}

func (r *replay) play(l transcript.Line, rest []transcript.Line) {
	f := frameOf(r.t, l)
	switch {
	case l.Dir == ">" && f.Event == "phx_join":
		r.join(l, f)
	case l.Dir == ">" && f.Event == "presence":
		r.presence(l, f, rest)
	case l.Dir == ">" && f.Event == "phx_leave", l.Dir == "<" && f.Event == "phx_error":
		r.leave(l.Conn, f.Topic)
	case l.Dir == "close":
		for name := range r.topics {
			r.leave(l.Conn, name)
		}
	case l.Dir == "<" && (f.Event == "presence_state" || f.Event == "presence_diff"):
		r.want[l.Conn] = append(r.want[l.Conn], decode[any](r.t, f.Payload))
	}
}

func (r *replay) join(l transcript.Line, f frame) {
	var payload struct {
		Config struct {
			Private  bool
			Presence struct {
				Key     string
				Enabled bool
			}
		}
	}
	_ = json.Unmarshal(f.Payload, &payload)
	name := f.Topic
	if payload.Config.Private {
		name = l.Conn + " " + name // of its own, as long as there is one such conn
	}
	r.leave(l.Conn, name)
	tp := r.topics[name]
	if tp == nil {
		tp = &replayTopic{state: NewState(), channels: map[string]*replayChannel{}}
		r.topics[name] = tp
	}
	r.next++
	tp.channels[l.Conn] = &replayChannel{id: r.next, key: payload.Config.Presence.Key}
	if payload.Config.Presence.Enabled {
		r.got[l.Conn] = append(r.got[l.Conn], decode[any](r.t, tp.state.AppendState(nil)))
	}
}

func (r *replay) leave(conn, name string) {
	tp := r.topics[name]
	if tp == nil || tp.channels[conn] == nil {
		return
	}
	tp.state.Untrack(tp.channels[conn].id)
	delete(tp.channels, conn)
	r.flush(tp)
}

func (r *replay) flush(tp *replayTopic) {
	diff := tp.state.Flush()
	if diff.Empty() {
		return
	}
	for conn := range tp.channels {
		r.got[conn] = append(r.got[conn], decode[any](r.t, diff.AppendTo(nil)))
	}
}

func (r *replay) presence(l transcript.Line, f frame, rest []transcript.Line) {
	tp := r.topics[l.Conn+" "+f.Topic]
	if tp == nil {
		tp = r.topics[f.Topic]
	}
	if tp == nil || tp.channels[l.Conn] == nil {
		return // not joined
	}
	var m struct {
		Event   any
		Payload json.RawMessage
	}
	_ = json.Unmarshal(f.Payload, &m)
	ch := tp.channels[l.Conn]
	switch event, _ := m.Event.(string); strings.ToLower(event) {
	case "track":
		r.tracks++
		key, ref := r.recorded(tp.state, ch, m.Payload, rest)
		ch.key = key
		if err := tp.state.Track(ch.id, key, m.Payload, ref); err != nil && !strings.Contains(string(rest[1].Frame), err.Error()) {
			r.t.Errorf("Track(%s): %v; recorded %s", m.Payload, err, rest[1].Frame)
		}
	case "untrack":
		tp.state.Untrack(ch.id)
	}
	r.flush(tp)
}

// recorded looks ahead for the key and the ref that upstream gave to a
// tracked payload; a track that changes nothing has none.
func (r *replay) recorded(s *State, ch *replayChannel, payload []byte, rest []transcript.Line) (key, ref string) {
	meta, err := newMeta("", payload, "", "")
	if err != nil || s.tracked[ch.id] != nil && s.tracked[ch.id].meta.tracks(meta) {
		return ch.key, "none"
	}
	want := fieldsOf(decode[map[string]any](r.t, meta.JSON))
	for _, l := range rest {
		f := frameOf(r.t, l)
		if l.Dir != "<" || f.Event != "presence_diff" {
			continue
		}
		for key, metas := range decode[diffView](r.t, f.Payload).Joins {
			for _, m := range metas.Metas {
				ref := fmt.Sprint(m["phx_ref"])
				if !r.refs[ref] && (ch.key == "" || ch.key == key) && cmp.Equal(want, fieldsOf(m)) {
					r.refs[ref] = true
					return key, ref
				}
			}
		}
	}
	return ch.key, "none"
}

// fieldsOf is a meta without the server's fields.
func fieldsOf(meta map[string]any) map[string]any {
	fields := maps.Clone(meta)
	delete(fields, "phx_ref")
	delete(fields, "phx_ref_prev")
	return fields
}
