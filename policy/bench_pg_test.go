package policy

import (
	"testing"

	"walcast/internal/once"
)

func TestBenchmarksOfPoliciesRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){
		"Visible": func(b *testing.B) { benchmarkVisible(b, size{1, 1}, size{10, 10}) },
		"View":    BenchmarkView,
		"Bind":    BenchmarkBind,
	})
}
