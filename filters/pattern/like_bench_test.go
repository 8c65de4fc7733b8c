package pattern

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkLike puts hostile patterns to texts of one length and of twice that:
// the time for a byte must stay what it is.
func BenchmarkLike(b *testing.B) {
	for _, c := range []struct {
		name    string
		fold    Case
		pattern func(n int) string
		text    func(n int) string
	}{
		{"halves", Exact, func(n int) string { return "%" + strings.Repeat("a", n/2) + "b%" }, func(n int) string { return strings.Repeat("a", n) }},
		{"folded", FoldASCII, func(n int) string { return "%" + strings.Repeat("a", n/2) + "b%" }, func(n int) string { return strings.Repeat("A", n) }},
		{"many", Exact, func(n int) string { return strings.Repeat("%a", n/2) + "%b%" }, func(n int) string { return strings.Repeat("a", n) }},
		{"blanks", Exact, func(int) string { return "%a_a_a_a_a_a_a_a_a_a_a_a_a_a_ab%" }, func(n int) string { return strings.Repeat("a", n) }},
		{"word", Exact, func(int) string { return "%needle%" }, func(n int) string { return strings.Repeat("hay nee ", n/8) }},
	} {
		for _, n := range []int{10_000, 20_000, 40_000} {
			b.Run(fmt.Sprintf("%s/bytes=%d", c.name, n), func(b *testing.B) {
				p, err := Like(c.pattern(n), c.fold)
				if err != nil {
					b.Fatal(err)
				}
				text := c.text(n)
				b.ReportAllocs()
				for b.Loop() {
					p.Match(text)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/byte")
			})
		}
	}
}
