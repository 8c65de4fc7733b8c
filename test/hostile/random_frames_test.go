package hostile

import (
	"math/rand/v2"
	"testing"
)

// The process that attacks must not be the one that falls: whatever it draws, a
// message fits into a few megabytes.
func TestRandomFramesAreBounded(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 0))
		if _, content := message(r); len(content) > 4<<20 {
			t.Fatalf("seed %d draws a message of %d bytes", seed, len(content))
		}
		if one := text(r); len(one) > 1<<20 {
			t.Fatalf("seed %d draws a text of %d bytes", seed, len(one))
		}
	}
}
