package protocol

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"walcast/internal/transcript"
)

// TestRecordedServerFrames takes each recorded frame of upstream apart and
// builds it again.
func TestRecordedServerFrames(t *testing.T) {
	built := map[string]int{}
	for _, file := range transcript.ReadAll(t, "../testdata/transcripts/*.jsonl") {
		for _, s := range file.Sections {
			t.Run(file.Name+"/"+s.Name, func(t *testing.T) {
				for _, l := range s.Lines {
					data, isBinary, ok := l.Message()
					if !ok || l.Dir != "<" {
						continue
					}
					if isBinary {
						built["binary"]++
						rebuildBinary(t, l, data)
					} else if json.Valid(data) { // see TestBroadcastsThatAreNotJSON
						built[rebuildText(t, l, data)]++
					}
				}
			})
		}
	}
	for event, least := range map[string]int{
		"binary": 90, EventReply: 1300, EventClose: 70, EventError: 9, EventSystem: 400, EventPresenceState: 100,
		EventPresenceDiff: 440, EventPostgresChanges: 320, EventBroadcast: 240, changeInsert: 1, changeUpdate: 1, changeDelete: 1,
	} {
		if built[event] < least {
			t.Errorf("%d frames of %s rebuilt; the transcripts have %d or more", built[event], event, least)
		}
	}
}

// recorded is a server frame's parts.
type recorded struct {
	JoinRef json.RawMessage `json:"-"` // not in 1.0.0
	Ref     json.RawMessage `json:"ref"`
	Topic   json.RawMessage `json:"topic"`
	Event   string          `json:"event"`
	Payload json.RawMessage `json:"payload"`
}

func readRecorded(t *testing.T, v Version, data []byte) (r recorded) {
	t.Helper()
	if v == V1 {
		unmarshal(t, data, &r)
		return r
	}
	var parts [5]json.RawMessage
	unmarshal(t, data, &parts)
	r = recorded{JoinRef: parts[0], Ref: parts[1], Topic: parts[2], Payload: parts[4]}
	unmarshal(t, parts[3], &r.Event)
	return r
}

func unmarshal(t *testing.T, data []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("unmarshal %.300s: %v", data, err)
	}
}

func rebuildText(t *testing.T, l transcript.Line, data []byte) (event string) {
	t.Helper()
	v := versionOf(t, l)
	r := readRecorded(t, v, data)
	joinRef, ref := Ref(value(r.JoinRef).refBytes()), Ref(value(r.Ref).refBytes())
	topic, _ := value(r.Topic).text()
	var frames []*Frame
	switch r.Event {
	case EventReply:
		var p struct {
			Status   string
			Response json.RawMessage
		}
		unmarshal(t, r.Payload, &p)
		m := Message{Ref: ref, Topic: topic}
		if value(r.Topic).kind() != '"' {
			m.OddTopic = r.Topic
		} else {
			frames = append(frames, v.ReplyTo(Message{Ref: ref, Topic: topic}, joinRef, p.Status, p.Response))
		}
		frames = append(frames, v.ReplyTo(m, joinRef, p.Status, p.Response))
	case EventSystem:
		var p struct{ Extension, Status, Message, Channel string }
		unmarshal(t, r.Payload, &p)
		frames = append(frames, v.Push(joinRef, ref, topic, r.Event, systemPayload(p.Extension, p.Status, p.Message, p.Channel)))
	case EventPostgresChanges:
		var p struct{ IDs, Data json.RawMessage }
		unmarshal(t, r.Payload, &p)
		frames = append(frames, v.Changes(topic, p.IDs, rebuildData(t, p.Data)))
	case changeInsert, changeUpdate, changeDelete:
		frames = append(frames, v.Push(joinRef, ref, topic, r.Event, rebuildData(t, r.Payload)))
	case EventBroadcast:
		frames = rebuildBroadcast(t, v, joinRef, topic, r.Payload)
	default:
		frames = append(frames, v.Push(joinRef, ref, topic, r.Event, r.Payload))
	}
	for _, f := range frames {
		if err := transcript.NewMatcher().Match(data, withoutPosition(f.Payload())); err != nil {
			t.Errorf("%s frame %s:\nrecorded %.500s\ngot      %.500s\n%v", v, r.Event, data, f.Payload(), err)
		}
	}
	return r.Event
}

// position is what walcast adds to each change.
const position = `,"lsn":"16/B374D848","seq":3,"xid":759`

func withoutPosition(frame []byte) []byte {
	return bytes.Replace(frame, []byte(position), nil, 1)
}

func rebuildData(t *testing.T, data []byte) []byte {
	t.Helper()
	var d struct {
		Type, Schema, Table string
		CommitTimestamp     json.RawMessage `json:"commit_timestamp"`
		Columns, Record     json.RawMessage
		OldRecord           json.RawMessage `json:"old_record"`
		Errors              []string
	}
	unmarshal(t, data, &d)
	return Data{
		Type: d.Type, Schema: d.Schema, Table: d.Table, CommitTimestamp: string(d.CommitTimestamp), Columns: d.Columns,
		Record: d.Record, OldRecord: d.OldRecord, Errors: d.Errors, Origin: Origin{LSN: "16/B374D848", Seq: 3, XID: 759},
	}.Append(nil)
}

// rebuildBroadcast makes a text broadcast in each way that gives one.
func rebuildBroadcast(t *testing.T, v Version, joinRef Ref, topic string, payload json.RawMessage) (frames []*Frame) {
	t.Helper()
	if joinRef.IsNull() {
		frames = append(frames, v.Broadcast(topic, Broadcast{Relay: payload}))
	}
	var p map[string]json.RawMessage
	if json.Unmarshal(payload, &p) != nil || p["payload"] == nil || string(p["type"]) != `"broadcast"` {
		return frames
	}
	event, ok := value(p["event"]).text()
	b := Broadcast{Event: event, Encoding: EncodingJSON, Payload: p["payload"], Meta: p["meta"]}
	if delete(p, "meta"); !ok || len(p) != 3 {
		return frames // more than a server adds: relayed
	}
	frames = append(frames, v.Replayed(joinRef, topic, b))
	if v == V1 {
		frames = append(frames, v.Broadcast(topic, b))
	}
	if joinRef.IsNull() {
		frames = append(frames, v.Broadcast(topic, Broadcast{Relay: b.Text()}))
	}
	return frames
}

// rebuildBinary makes a binary frame from the recorder's reading of its header
// and wants the same bytes.
func rebuildBinary(t *testing.T, l transcript.Line, data []byte) {
	t.Helper()
	var head struct {
		Kind, Encoding int
		Topic          string
		UserEvent      string `json:"user_event"`
		Metadata       string
	}
	unmarshal(t, l.Decoded(), &head)
	var b Broadcast
	switch head.Kind {
	case kindBroadcast:
		b.Opaque = data[3+len(head.Topic)+len(EventBroadcast):]
	case kindUserBroadcast:
		b = Broadcast{Event: head.UserEvent, Encoding: Encoding(head.Encoding)}
		if n := int(data[3]); n > 0 {
			at := 5 + len(head.Topic) + len(head.UserEvent)
			b.Meta = data[at : at+n]
		}
		b.Payload = data[5+len(head.Topic)+len(head.UserEvent)+len(b.Meta):]
	default:
		t.Fatalf("recorded a server frame of kind %d: %s", head.Kind, l.Frame)
	}
	f := V2.Broadcast(head.Topic, b)
	if f == nil || !bytes.Equal(f.Payload(), data) || f.Wire()[0] != finalFrame|opBinary {
		t.Errorf("rebuilt %s otherwise: %v", l.Frame, f)
	}
	if strings.Contains(head.Metadata, "replayed") {
		if f := V2.Replayed(`"1"`, head.Topic, b); !bytes.Equal(f.Payload(), data) {
			t.Errorf("replayed %s otherwise: %x", l.Frame, f.Payload())
		}
	}
}
