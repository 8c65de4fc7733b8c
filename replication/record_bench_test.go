package replication

import (
	"encoding/json"
	"testing"
	"time"
)

// BenchmarkAppendRecord compares with encoding/json of a map with the values
// as Go has them, which is the least that a generic path has to do.
func BenchmarkAppendRecord(b *testing.B) {
	d := NewDecoder(noCatalog)
	var c *Change
	for _, m := range benchMessages(b) {
		if got, err := d.Decode(m); err != nil {
			b.Fatal(err)
		} else if len(got.Changes) > 0 && c == nil {
			c = got.Changes[0]
		}
	}
	dst := make([]byte, 0, 1024)
	record := func() { dst = AppendRecord(dst[:0], c.Relation, c.New, nil) }
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

// repeat makes something short long enough for the clock.
func repeat(n int, f func()) {
	for range n {
		f()
	}
}
