package rowjson

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"walcast/internal/golden"
	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

// BenchmarkAppendRecord compares with encoding/json of a map with the values
// as Go has them, which is the least that a generic path has to do.
func BenchmarkAppendRecord(b *testing.B) {
	c := benchInsert(b)
	dst := make([]byte, 0, 1024)
	record := func() { dst = Encoding{}.AppendRecord(dst[:0], c.Relation, c.New, nil) }
	values := map[string]any{
		"id": 1, "n": 1, "name": "name of row 00000001", "price": json.Number("1.01"),
		"at": time.Date(2024, 1, 1, 0, 0, 1, 0, time.UTC), "ok": false,
	}
	reference := func() {
		if _, err := json.Marshal(values); err != nil {
			b.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		run  func()
	}{{"walcast", record}, {"encoding-json", reference}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.run()
			}
		})
	}
	b.Run("ratio", func(b *testing.B) {
		ours, theirs := time.Hour, time.Hour
		for b.Loop() {
			ours = min(ours, timeOf(func() { repeat(100, record) }))
			theirs = min(theirs, timeOf(func() { repeat(100, reference) }))
		}
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "faster")
	})
}

// benchInsert is the first INSERT of what the decoder's benchmark reads: bigint,
// int, text, numeric(12,2), timestamptz, bool.
func benchInsert(b *testing.B) *wal.Change {
	b.Helper()
	d := pgoutput.NewDecoder(func(uint32, []uint32) (wal.Description, error) { return wal.Description{}, nil })
	for line := range bytes.Lines(golden.Cases(b, "../../testdata/pgoutput/bench/*.hex")[0].Read(b)) {
		message, err := hex.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil {
			b.Fatal(err)
		}
		got, err := d.Decode(message)
		if err != nil {
			b.Fatal(err)
		}
		if len(got.Changes) > 0 {
			return got.Changes[0]
		}
	}
	b.Fatal("no change was recorded")
	return nil
}

func timeOf(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// repeat makes something short long enough for the clock.
func repeat(n int, f func()) {
	for range n {
		f()
	}
}
