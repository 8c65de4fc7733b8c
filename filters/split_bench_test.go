package filters

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSplit has brackets that nobody closes: the time for a byte must stay
// what it is.
func BenchmarkSplit(b *testing.B) {
	for _, n := range []int{4000, 8000} {
		b.Run(fmt.Sprintf("open=%d", n), func(b *testing.B) {
			text := strings.Repeat("a=cs.{,", n)
			for b.Loop() {
				split(text, '=')
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(text)), "ns/byte")
		})
	}
}
