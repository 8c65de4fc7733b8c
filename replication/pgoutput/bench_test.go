package pgoutput

import (
	"testing"

	"walcast/internal/once"
)

func TestBenchmarksRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){"Decode": BenchmarkDecode})
}
