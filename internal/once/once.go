// Package once runs benchmarks as tests, so that they do not rot. It is for
// tests only.
package once

import (
	"flag"
	"testing"
)

// Run runs each benchmark for one iteration, as a test of its own. None may be
// running, nor a parallel test that runs benchmarks.
func Run(t *testing.T, benchmarks map[string]func(*testing.B)) {
	t.Helper()
	const name = "test.benchtime"
	before := flag.Lookup(name).Value.String()
	if err := flag.Set(name, "1x"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set(name, before) }() // it was the value before
	for name, b := range benchmarks {
		t.Run(name, func(t *testing.T) {
			if r := testing.Benchmark(b); r.N == 0 {
				t.Error("the benchmark fails; its output has the reason")
			}
		})
	}
}
