package datum

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"walcast/replication/wal"
)

func numbers(from, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(from+i))
	}
	return strings.Join(list, ",")
}

func arrayOf(oid uint32) Type {
	return Of(&wal.Type{Kind: wal.KindArray, Element: base(oid), Delimiter: ','}, Options{UTC: true, Bytewise: true})
}

func rangeOf(oid uint32) Type {
	return Of(&wal.Type{Kind: wal.KindRange, Element: base(oid)}, Options{UTC: true, Bytewise: true})
}

// hostile are texts of about n bytes that are made to be costly.
var hostile = []struct {
	name string
	typ  Type
	text func(n int) string
}{
	{"digits", decimal{}, func(n int) string { return strings.Repeat("9", n) }},
	{"a fraction", decimal{}, func(n int) string { return "0." + strings.Repeat("0", n) + "1" }},
	{"an exponent", decimal{}, func(n int) string { return strings.Repeat("9", n) + "e999" }},
	{"zeros", integer{64, "bigint"}, func(n int) string { return strings.Repeat("0", n) }},
	{"digits of a float", float{64, "double precision"}, func(n int) string { return "0." + strings.Repeat("3", n) }},
	{"elements", arrayOf(oidInt4), func(n int) string { return "{" + strings.Repeat("1,", n/2) + "1}" }},
	{"quoted elements", arrayOf(oidText), func(n int) string { return "{" + strings.Repeat(`"\"",`, n/5) + "x}" }},
	{"escaped elements", arrayOf(oidText), func(n int) string { return "{" + strings.Repeat(`\ \ \ ,`, n/7) + "x}" }},
	{"blanks around elements", arrayOf(oidText), func(n int) string { return "{" + strings.Repeat(" ", n/2) + "x" + strings.Repeat(" ", n/2) + "}" }},
	{"exponents in an array", arrayOf(oidNumeric), func(n int) string { return "{" + strings.Repeat("1e99,", n/5) + "1}" }},
	{"dimensions", arrayOf(oidInt4), func(n int) string { return strings.Repeat("{", n/2) + strings.Repeat("}", n/2) }},
	{"elements in dimensions", arrayOf(oidInt4), func(n int) string { return "{" + strings.Repeat("{1},", n/4) + "{1}}" }},
	{"quotes in a range", rangeOf(oidText), func(n int) string { return `["` + strings.Repeat(`""`, n/2) + `",)` }},
	{"hexadecimal digits", bytea{}, func(n int) string { return `\x` + strings.Repeat("0F", n/2) }},
	{"escapes of bytes", bytea{}, func(n int) string { return strings.Repeat(`\\`, n/2) }},
	{"units", interval{}, func(n int) string { return strings.Repeat("1 day ", n/6) }},
	{"digits of an interval", interval{}, func(n int) string { return strings.Repeat("1", n) + " days" }},
	{"deep arrays", jsonb{}, func(n int) string { return strings.Repeat("[", n/2) + strings.Repeat("]", n/2) }},
	{"deep objects", jsonb{}, func(n int) string { return strings.Repeat(`{"a":`, n/6) + "1" + strings.Repeat("}", n/6) }},
	{"exponents in a document", jsonb{}, func(n int) string { return "[" + strings.Repeat("1e900,", n/6) + "1]" }},
	{"digits in a document", jsonb{}, func(n int) string { return "[" + strings.Repeat("9", n) + "]" }},
	{"objects", jsonb{}, func(n int) string { return "[" + strings.Repeat(`{"a":1},`, n/8) + "1]" }},
	{"one name many times", jsonb{}, func(n int) string { return "{" + strings.Repeat(`"a":1,`, n/6) + `"a":2}` }},
	{"escapes in a document", jsonb{}, func(n int) string { return `"` + strings.Repeat(`\u0041`, n/6) + `"` }},
	{"names out of order", jsonb{}, func(n int) string {
		var out strings.Builder
		for i := range n / 12 {
			fmt.Fprintf(&out, `"%d":1,`, 99999-i)
		}
		return "{" + out.String() + `"x":1}`
	}},
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestReadingTakesMemoryInProportionToTheText reads each hostile text, once of a
// length and once of eight times that. What takes quadratic time takes quadratic
// memory as well here, as Go's strings are immutable.
func TestReadingTakesMemoryInProportionToTheText(t *testing.T) {
	const perByte = 250 // what a value of a few bytes takes
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range []int{10_000, 80_000} {
				text := c.text(n)
				for name, read := range map[string]func(){
					"In":  func() { _, _ = c.typ.In(text) },
					"Out": func() { c.typ.Out(text) },
				} {
					read() // fills what is kept for reading
					if got := allocated(read); got > uint64(perByte*n)+64<<10 {
						t.Errorf("%s of %d bytes allocates %d; want at most %d for each", name, n, got, perByte)
					}
				}
			}
		})
	}
}

// BenchmarkHostile shows that the time for a byte stays what it is.
func BenchmarkHostile(b *testing.B) {
	for _, c := range hostile {
		for _, n := range []int{20_000, 40_000} {
			b.Run(fmt.Sprintf("%s/bytes=%d", c.name, n), func(b *testing.B) {
				text := c.text(n)
				for b.Loop() {
					_, _ = c.typ.In(text)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/byte")
			})
		}
	}
}

func TestNumbersOfDocumentsAreEqualHoweverTheyAreWritten(t *testing.T) {
	for _, equal := range [][]string{
		{"0", "-0", "0.00", "0e5", "-0.0e-3"},
		{"1", "1.0", "10e-1", "0.1e1", "1e0", "1E+0"},
		{"-1500", "-1.5e3", "-15e2", "-1500.00"},
		{"0.001", "1e-3", "0.0010", "100e-5"},
		{"1e900", "1" + strings.Repeat("0", 900), "0.1e901"},
	} {
		want, err := jsonb{}.In(equal[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range equal[1:] {
			if got, err := (jsonb{}).In(text); err != nil || got.Key != want.Key {
				t.Errorf("In(%s) = %q, %v; want %q, as of %s", text, got.S, err, want.S, equal[0])
			}
		}
	}
	a, _ := jsonb{}.In("1e900")
	b, _ := jsonb{}.In("1e901")
	if a.Key == b.Key {
		t.Error("1e900 is equal to 1e901")
	}
	for _, text := range []string{"1e20000", "1e-17000", strings.Repeat("1", 200_000)} {
		if _, err := (jsonb{}).In(text); !errors.Is(err, ErrUncertain) {
			t.Errorf("In(%.20s…): %v; want uncertain", text, err)
		}
	}
}

func TestArraysContainEachOtherHoweverLongTheyAre(t *testing.T) {
	typ := arrayOf(oidInt4).(array)
	read := func(text string) Value {
		v, err := typ.In(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, n := range []int{4, 4000} {
		all, half, nulls := read("{"+numbers(0, n)+"}"), read("{"+numbers(n/2, n/2)+"}"), read("{"+numbers(0, n)+",NULL}")
		for _, c := range []struct {
			name      string
			got, want bool
		}{
			{"all @> half", first(typ.Contains(all, half)), true},
			{"half @> all", first(typ.Contains(half, all)), false},
			{"all @> all and a null", first(typ.Contains(all, nulls)), false},
			{"all and a null @> all", first(typ.Contains(nulls, all)), true},
			{"all && half", first(typ.Overlaps(all, half)), true},
			{"all && others", first(typ.Overlaps(all, read("{"+numbers(n, n)+"}"))), false},
			{"all && a null", first(typ.Overlaps(nulls, read("{NULL}"))), false},
		} {
			if c.got != c.want {
				t.Errorf("of %d elements: %s = %t", n, c.name, c.got)
			}
		}
	}
}

func first(holds, _ bool) bool { return holds }
