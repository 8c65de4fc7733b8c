package protocol

import (
	"fmt"
	"strings"
	"testing"
)

func TestBindingsThatBeginAtOneIDTakeFewTries(t *testing.T) {
	ids := newBindingIDs()
	const n, target = 10_000, 4711
	seen, tries := map[int64]bool{}, 0
	for x := range uint64(n) {
		h := x<<32 | (x ^ target) // all fall on the target
		id, tried := ids.of(h)
		if id < 1 || id > maxID || seen[id] {
			t.Fatalf("id %d of hash %x; want one of its own from 1 to %d", id, h, int64(maxID))
		}
		seen[id] = true
		tries += tried
	}
	if !seen[target] || tries > 3*n {
		t.Errorf("%d ids took %d tries; want about %d", n, tries, 2*n)
	}
}

func TestEqualBindingsHaveOneID(t *testing.T) {
	ids := newBindingIDs()
	first := ids.next(value(`{"event":"*","schema":"public"}`))
	for range 10_000 {
		if id := ids.next(value(`{"schema":"public", "event":"*"}`)); id != first {
			t.Fatalf("id %d; want %d", id, first)
		}
	}
	if len(ids.taken) != 1 {
		t.Errorf("%d ids are taken; want one", len(ids.taken))
	}
}

// BenchmarkParseBindings should take the same time for each binding, however many
// there are and whether they are equal.
func BenchmarkParseBindings(b *testing.B) {
	for _, kind := range []string{"equal", "different", "wrong"} {
		for _, n := range []int{100, 1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/bindings=%d", kind, n), func(b *testing.B) { benchmarkParseBindings(b, kind, n) })
		}
	}
}

func benchmarkParseBindings(b *testing.B, kind string, n int) {
	list := make([]string, n)
	for i := range list {
		switch kind {
		case "equal":
			list[i] = `{"event":"*","schema":"public","table":"messages","filter":"room=eq.1"}`
		case "different":
			list[i] = fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","filter":"room=eq.%d"}`, i)
		default:
			list[i] = fmt.Sprintf(`{"event":%d,"filter":["x"]}`, i)
		}
	}
	payload := []byte(`{"config":{"postgres_changes":[` + strings.Join(list, ",") + `]}}`)
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if _, err := ParseJoin("room", payload); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/binding")
}
