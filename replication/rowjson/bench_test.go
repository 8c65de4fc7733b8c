package rowjson

import (
	"testing"

	"walcast/internal/once"
)

func TestBenchmarksRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){"AppendRecord": BenchmarkAppendRecord})
}
