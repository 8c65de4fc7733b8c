package datum

import (
	"strings"
	"testing"

	"walcast/internal/once"
)

// BenchmarkDecimal reads a numeric of the WAL and compares it with another that
// differs from it in the last digit, as a range condition does for each row.
func BenchmarkDecimal(b *testing.B) {
	for name, text := range map[string]string{
		"digits=4":   "15.71",
		"digits=39":  "123456789012345678901234567890.123456781",
		"digits=100": strings.Repeat("7", 100),
	} {
		b.Run(name, func(b *testing.B) { benchmarkDecimal(b, text) })
	}
}

func benchmarkDecimal(b *testing.B, text string) {
	bound, ok := decimal{}.Out(text[:len(text)-1] + "8")
	if !ok {
		b.Fatalf("Out cannot read %q with another last digit", text)
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, ok := (decimal{}).Out(text); !ok || (decimal{}).Compare(v, bound) >= 0 {
			b.Fatalf("%s is not below the bound %s", text, bound.S)
		}
	}
}

func TestBenchmarksRun(t *testing.T) {
	once.Run(t, map[string]func(*testing.B){"Decimal": func(b *testing.B) { benchmarkDecimal(b, "15.71") }})
}
