package filters

import (
	"runtime"
	"testing"
)

// TestIndexHoldsManyBindings measures what 100,000 bindings take, everything
// included: filters, guards, what the guards make, and both indexes' maps.
func TestIndexHoldsManyBindings(t *testing.T) {
	const bindings, limit = 100_000, 1024
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			before := heapBytes()
			ix := filled(bindings, w.selector)
			ix.Match(benchChange(rooms(), 5), func(int, Truth) {})
			each := (heapBytes() - before) / bindings
			t.Logf("%d bytes a binding", each)
			if each > limit {
				t.Errorf("%d bindings take %d bytes each; want at most %d", bindings, each, limit)
			}
			if ix.Len() != bindings {
				t.Errorf("Len = %d; want %d", ix.Len(), bindings)
			}
		})
	}
}

func heapBytes() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestIndexMatchAllocatesNothing holds for scalars, once a relation is filed.
func TestIndexMatchAllocatesNothing(t *testing.T) {
	for _, w := range workloads {
		ix, c := filled(1000, w.selector), benchChange(rooms(), 5)
		ix.Match(c, func(int, Truth) {})
		found := 0
		if n := testing.AllocsPerRun(100, func() { ix.Match(c, func(int, Truth) { found++ }) }); n != 0 {
			t.Errorf("%s: Match allocates %v times; want 0", w.name, n)
		}
	}
}
