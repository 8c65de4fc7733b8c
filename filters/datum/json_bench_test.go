package datum

import "testing"

// benchDocument is a document of a few hundred bytes, as a row may have.
const benchDocument = `{"id": 4711, "kind": "chat", "tags": ["a", "b", "c"], "author": {"name": "Ada \"the first\" L", "active": true, "score": 1.50},` +
	` "text": "Some text of a message, long enough to matter a little.", "at": "2024-06-01T10:00:00Z", "reply": null}`

// BenchmarkJSON reads a jsonb column of the WAL as a whole, as a condition on it
// does for each row, and by the paths of conditions such as author->>name=eq.Ada.
func BenchmarkJSON(b *testing.B) {
	b.Run("whole", benchmarkDocument)
	for name, path := range map[string]Path{
		"kind":         {Steps: []Step{{Key: "kind"}}, AsText: true, Binary: true},
		"author->name": {Steps: []Step{{Key: "author"}, {Key: "name"}}, AsText: true, Binary: true},
		"tags->1":      {Steps: []Step{{Key: "tags"}, {Index: 1, IsIndex: true}}, AsText: true, Binary: true},
	} {
		b.Run("path="+name, func(b *testing.B) { benchmarkPath(b, path) })
	}
}

func benchmarkDocument(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := (jsonb{}).Out(benchDocument); !ok {
			b.Fatal("the document cannot be read")
		}
	}
}

func benchmarkPath(b *testing.B, path Path) {
	b.ReportAllocs()
	for b.Loop() {
		if _, found := path.Extract(benchDocument); !found {
			b.Fatalf("nothing found by %+v", path)
		}
	}
}
