package protocol

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// clientFrames are a small and a large message of both versions.
func clientFrames(payload int) map[string][]byte {
	body := `{"type":"broadcast","event":"cursor","payload":{"x":1.5,"s":"` + strings.Repeat("x", payload) + `"}}`
	return map[string][]byte{
		"1.0.0": []byte(`{"topic":"realtime:room1","event":"broadcast","payload":` + body + `,"ref":"12","join_ref":"1"}`),
		"2.0.0": []byte(`["1","12","realtime:room1","broadcast",` + body + `]`),
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		for vsn, frame := range clientFrames(size) {
			v, err := ParseVersion(vsn)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("vsn=%s/payload=%d", vsn, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(frame)))
				for b.Loop() {
					if _, err := v.Decode(frame, false); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("vsn=%s/payload=%d/encoding=json", vsn, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(frame)))
				for b.Loop() {
					var object struct {
						Topic, Event, Ref string
						JoinRef           string `json:"join_ref"`
						Payload           json.RawMessage
					}
					var array [5]json.RawMessage
					to := any(&array)
					if v == V1 {
						to = &object
					}
					if err := json.Unmarshal(frame, to); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// row is a change of ten columns, about 900 bytes when framed.
func row() Data {
	var columns, record []string
	for i := range 10 {
		columns = append(columns, fmt.Sprintf(`{"name":"column_%d","type":"text"}`, i))
		record = append(record, fmt.Sprintf(`"column_%d":"some text of a row"`, i))
	}
	return Data{
		Type: "INSERT", Schema: "public", Table: "messages", CommitTimestamp: `"2026-08-21T12:03:56.711Z"`,
		Columns: []byte("[" + strings.Join(columns, ",") + "]"), Record: []byte("{" + strings.Join(record, ",") + "}"),
		Origin: Origin{LSN: "16/B374D848", Seq: 3, XID: 759},
	}
}

func BenchmarkChanges(b *testing.B) {
	d, ids := row(), []byte("[480149164]")
	for _, v := range []Version{V1, V2} {
		b.Run("vsn="+v.String(), func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				buf = d.Append(buf[:0])
				v.Changes("realtime:room1", ids, buf)
			}
		})
	}
	b.Run("encoding=json", func(b *testing.B) {
		type data struct {
			Type, Schema, Table string
			CommitTimestamp     json.RawMessage `json:"commit_timestamp"`
			Columns, Record     json.RawMessage
			Errors              []string
			LSN                 string
			Seq                 uint32
		}
		b.ReportAllocs()
		for b.Loop() {
			payload := map[string]any{"ids": json.RawMessage(ids), "data": data{
				d.Type, d.Schema, d.Table, json.RawMessage(d.CommitTimestamp), d.Columns, d.Record, nil, d.LSN, d.Seq,
			}}
			if _, err := json.Marshal([]any{nil, nil, "realtime:room1", EventPostgresChanges, payload}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkReply(b *testing.B) {
	for _, v := range []Version{V1, V2} {
		b.Run("vsn="+v.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.ReplyTo(Message{Ref: `"12"`, Topic: "realtime:room1"}, `"1"`, StatusOK, EmptyObject)
			}
		})
	}
}

func BenchmarkParseJoin(b *testing.B) {
	payload := []byte(`{"config":{"broadcast":{"ack":false,"self":false},"presence":{"key":"","enabled":false},"postgres_changes":[` +
		`{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.42"}],"private":false},"access_token":"` +
		strings.Repeat("x", 300) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		j, err := ParseJoin("room1", payload)
		if err != nil {
			b.Fatal(err)
		}
		j.Response("16/B374D848:3", "")
	}
}
