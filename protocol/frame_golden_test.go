package protocol

import (
	"encoding/hex"
	"path/filepath"
	"testing"

	"walcast/internal/golden"
)

// TestFramesAsTheyGoOut writes one frame of each kind to a file that a person
// can read: <case>.v1.json, <case>.v2.json, or .v2.hex where it is binary, and
// <case>.sse.txt, and <case>.unnamed.txt for streams without names.
func TestFramesAsTheyGoOut(t *testing.T) {
	for name, build := range map[string]func(v Version) *Frame{
		"join-reply": func(v Version) *Frame {
			return v.Joined(Message{Ref: `"1"`, Topic: "realtime:room1"}, `"1"`, "16/B374D848:3", bindingsOf(t,
				`{"event":"INSERT","schema":"public","table":"todos","filter":"id=eq.1"}`, `{"table":"todos"}`).Response("16/B374D848:3", ""))
		},
		"join-refused": func(v Version) *Frame {
			return v.ReplyTo(Message{Ref: `"1"`, Topic: "realtime:room1"}, `"1"`, StatusError, Reason(RefuseRead("room1")))
		},
		"heartbeat-reply": func(v Version) *Frame {
			return v.ReplyTo(Message{Ref: `"7"`, Topic: TopicPhoenix}, "", StatusOK, EmptyObject)
		},
		"close": func(v Version) *Frame { return v.Push(`"1"`, `"1"`, "realtime:room1", EventClose, EmptyObject) },
		"error": func(v Version) *Frame { return v.Push(`"1"`, `"1"`, "realtime:room1", EventError, ChannelCrash) },
		"system": func(v Version) *Frame {
			return v.Push(`"1"`, "", "realtime:room1", EventSystem, systemPayload(ExtensionPostgres, StatusOK, MessageSubscribed, "room1"))
		},
		"resync": func(v Version) *Frame {
			return v.PushAt("16/B4000100:7", `"1"`, "", "realtime:room1", EventSystem, resyncPayload("room1", ResyncDetail{
				Reason: "what was missed has left the log", Code: "position_too_old", From: "16/B374D848:3", Oldest: "16/B4000000:0", Position: "16/B4000100:7",
			}))
		},
		"change": func(v Version) *Frame {
			return v.ChangesAt("16/B374D848:3", "realtime:room1", []byte("[743175410]"), row().Append(nil))
		},
		"change-cut": func(v Version) *Frame {
			return v.Changes("realtime:room1", []byte("[743175410]"), Data{
				Type: "UPDATE", Schema: "public", Table: "pages", CommitTimestamp: `"2026-08-21T12:03:56.711Z"`,
				Columns: []byte(`[{"name":"id","type":"int4"},{"name":"body","type":"text"},{"name":"draft","type":"text"}]`),
				Record:  []byte(`{"id":1}`), OldRecord: []byte(`{"id":1}`), Errors: []string{ErrorTooLarge},
				Origin: Origin{LSN: "16/B374D848", Seq: 3, XID: 759}, Unchanged: []string{"draft"}, Truncated: []string{"body"},
			}.Append(nil))
		},
		"commit": func(v Version) *Frame {
			return v.Commit("realtime:room1", Committed{
				LSN: "16/B374D848", XID: 759, Position: "16/B374D848:4", CommitTimestamp: `"2026-08-21T12:03:56.711Z"`,
			})
		},
		"snapshot-begin": func(v Version) *Frame {
			return Address{Version: v, Topic: "realtime:room1", JoinRef: `"1"`}.SnapshotBegins(SnapshotBegin{
				Bindings: []byte("[743175410]"), Key: []string{"id"}, Snapshot: "760:765:761,763", Reason: SnapshotJoin,
			})
		},
		"snapshot-begin-order": func(v Version) *Frame {
			return Address{Version: v, Topic: "realtime:room1", JoinRef: `"1"`}.SnapshotBegins(SnapshotBegin{
				Bindings: []byte("[743175410]"), Key: []string{"id"}, Order: []byte(`[{"type":"int4"}]`), Snapshot: "760:765:761,763", Reason: SnapshotJoin,
			})
		},
		"snapshot-row": func(v Version) *Frame {
			of := row()
			of.Snapshot = true
			return v.Changes("realtime:room1", []byte("[743175410]"), of.Append(nil))
		},
		"snapshot-end": func(v Version) *Frame {
			return Address{Version: v, Topic: "realtime:room1", JoinRef: `"1"`}.SnapshotEnds(SnapshotEnd{
				Bindings: []byte("[743175410]"), Snapshot: "760:765:761,763", Position: "16/B374D847:0", Rows: 1,
			})
		},
		"progress": func(v Version) *Frame {
			return Address{Version: v, Topic: "realtime:room1", JoinRef: `"1"`}.Progress(`"7"`, "16/B374D848:4", "760:765:761,763")
		},
		"broadcast-text": func(v Version) *Frame {
			return v.Broadcast("realtime:room1", Broadcast{Relay: []byte(`{"type":"broadcast","event":"cur","payload":{"x": 1.50}}`)})
		},
		"broadcast-json": func(v Version) *Frame {
			return v.Broadcast("realtime:room1", Broadcast{Event: "cur", Encoding: EncodingJSON, Payload: []byte(`{"x": 1.50}`), Meta: []byte(`{"id":"7"}`)})
		},
		"broadcast-bytes": func(v Version) *Frame {
			return v.Broadcast("realtime:room1", Broadcast{Event: "cur", Payload: []byte{0xde, 0xad, 0, 0xff}})
		},
		"broadcast-kind-0": func(v Version) *Frame {
			return v.Broadcast("realtime:room1", Broadcast{Opaque: []byte{0xde, 0xad, 0, 0xff}})
		},
		"broadcast-replayed": func(v Version) *Frame {
			return v.Replayed(`"1"`, "realtime:room1", Broadcast{
				Event: "cur", Encoding: EncodingJSON, Payload: []byte(`{"x": 1.50}`), Meta: []byte(`{"id":"7","replayed":true}`),
			})
		},
		"presence-diff": func(v Version) *Frame {
			return v.Push("", "", "realtime:room1", EventPresenceDiff, []byte(`{"joins":{"ann":{"metas":[{"phx_ref":"F9x2h3kAAQI=","n":1}]}},"leaves":{}}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			for suffix, v := range map[string]Version{".v1": V1, ".v2": V2, ".sse": SSE, ".unnamed": UnnamedSSE} {
				path := filepath.Join("..", "testdata", "frames", name+suffix)
				f := build(v)
				if f != nil && v.IsStream() {
					golden.Compare(t, path+".txt", f.Wire())
					continue
				}
				if f == nil {
					golden.Compare(t, path+".json", "not delivered")
					continue
				}
				if opcode, payload := unframe(t, f); opcode == opBinary {
					golden.Compare(t, path+".hex", hex.Dump(payload))
				} else {
					golden.Compare(t, path+".json", payload)
				}
			}
		})
	}
}
