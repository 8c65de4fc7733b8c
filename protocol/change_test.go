package protocol

import (
	"testing"
	"time"
)

func TestDataAppend(t *testing.T) {
	full := Data{
		Type: "UPDATE", Schema: "public", Table: `to"do`, CommitTimestamp: `"2026-08-21T12:03:56.711Z"`,
		Columns: []byte(`[{"name":"id","type":"int4"}]`), Record: []byte(`{"id":1.50}`), OldRecord: []byte(`{"id":1}`),
		Origin: Origin{LSN: "16/B374D848", Seq: 3, XID: 759}, Unchanged: []string{"body"}, Truncated: []string{"a", "b"},
		Errors: []string{ErrorTooLarge},
	}
	for _, c := range []struct {
		name string
		data Data
		want string
	}{
		{
			"everything", full,
			`{"type":"UPDATE","schema":"public","table":"to\"do","commit_timestamp":"2026-08-21T12:03:56.711Z",` +
				`"columns":[{"name":"id","type":"int4"}],"record":{"id":1.50},"old_record":{"id":1},"errors":["Error 413: Payload Too Large"],` +
				`"lsn":"16/B374D848","seq":3,"xid":759,"unchanged":["body"],"truncated":["a","b"]}`,
		},
		{
			"no more than a denied delete has",
			Data{Type: "DELETE", Schema: "s", Table: "t", Origin: Origin{LSN: "0/1", XID: 4294967295}},
			`{"type":"DELETE","schema":"s","table":"t","commit_timestamp":null,"columns":[],"errors":null,"lsn":"0/1","seq":0,"xid":4294967295}`,
		},
	} {
		if got := string(c.data.Append(nil)); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	buf := make([]byte, 0, 1024)
	if got := testing.AllocsPerRun(100, func() { buf = full.Append(buf[:0]) }); got != 0 {
		t.Errorf("Append into a large enough buffer allocates %v times", got)
	}
}

func TestAppendTimestamp(t *testing.T) {
	east := time.FixedZone("east", 2*60*60)
	for _, c := range []struct {
		when time.Time
		want string
	}{
		{time.Date(2026, 8, 21, 12, 3, 56, 711_000_000, time.UTC), `"2026-08-21T12:03:56.711Z"`},
		{time.Date(2026, 8, 21, 12, 3, 56, 711_999_999, time.UTC), `"2026-08-21T12:03:56.711Z"`},
		{time.Date(2026, 8, 21, 12, 3, 56, 0, time.UTC), `"2026-08-21T12:03:56.000Z"`},
		{time.Date(2026, 1, 1, 1, 0, 0, 1_000_000, east), `"2025-12-31T23:00:00.001Z"`},
		{time.Time{}, "null"},
	} {
		if got := string(AppendTimestamp(nil, c.when)); got != c.want {
			t.Errorf("AppendTimestamp(%s) = %s; want %s", c.when, got, c.want)
		}
	}
}

func TestChanges(t *testing.T) {
	ids, data := []byte("[1,2]"), []byte(`{"type":"INSERT"}`)
	checkFrame(t, V1.Changes("realtime:a", ids, data),
		`{"ref":null,"event":"postgres_changes","payload":{"ids":[1,2],"data":{"type":"INSERT"}},"topic":"realtime:a"}`)
	checkFrame(t, V2.Changes("realtime:a", ids, data),
		`[null,null,"realtime:a","postgres_changes",{"ids":[1,2],"data":{"type":"INSERT"}}]`)
}
