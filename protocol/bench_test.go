package protocol

import (
	"testing"

	"walcast/internal/once"
)

func TestBenchmarksRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){
		"Decode":    BenchmarkDecode,
		"Changes":   BenchmarkChanges,
		"Reply":     BenchmarkReply,
		"ParseJoin": BenchmarkParseJoin,
		"Bindings":  func(b *testing.B) { benchmarkParseBindings(b, "equal", 100) },
	})
}
