package live

import (
	"crypto/rand"
	"runtime"
	"testing"

	"walcast/replication/wal"
)

// BenchmarkKeySet is how much memory a set takes for each key, with a million of them, and how
// long it takes to add one and to look for it.
func BenchmarkKeySet(b *testing.B) {
	const most = 1_000_000
	random := make([]Key, most)
	for i := range random {
		_, _ = rand.Read(random[i][:])
	}
	for b.Loop() {
		before := heapBytes()
		set := NewKeys(most).Set(anybody)
		for _, key := range random {
			if !set.Add(key, wal.Position{}) || !set.Has(key) {
				b.Fatal("a key was not added")
			}
		}
		b.ReportMetric(float64(heapBytes()-before)/most, "B/key")
		runtime.KeepAlive(set)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(most*b.N), "ns/key")
}

// heapBytes is what is in use of the heap.
func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
