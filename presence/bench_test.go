package presence

import (
	"testing"

	"walcast/internal/once"
)

func TestBenchmarksRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){
		"Storm":  func(b *testing.B) { benchmarkStorm(b, 50) },
		"Update": BenchmarkUpdate,
		"State":  BenchmarkState,
	})
}
