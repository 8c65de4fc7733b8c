package pattern

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// program is how many instructions Go makes of a pattern; none if it refuses it.
func program(t testing.TB, pattern string) int {
	parsed, err := syntax.Parse("(?s)"+pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	p, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	return len(p.Inst)
}

// sizeSlack is what every program has beside its pattern: where it fails, and
// where it matches.
const sizeSlack = 2

func checkSize(t testing.TB, pattern string) {
	if size := Size(pattern); size > 0 && program(t, pattern) > size+sizeSlack {
		t.Errorf("Size(%q) = %d; Go makes %d instructions of it", pattern, size, program(t, pattern))
	}
}

func TestSizeIsNoLessThanWhatGoMakes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { checkSize(t, regexps.Draw(rt, "pattern")) })
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"a{2,5}", "((a|b){1,3}){0,3}z", "(a*)*", "(|a)", "a{0}", "(a{0,1}|b*?){3,}", "^a|b|[a-c]$", "(ab|ac|ad)+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkSize(t, s) })
}

func TestLargeExpressionsAreLeftToPostgres(t *testing.T) {
	for _, c := range []struct {
		name, pattern string
		want          error
	}{
		{"what programs ask", `^[a-z0-9._]+@[a-z0-9]+\.[a-z]{2,24}$`, nil},
		{"an address", `^((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)$`, nil},
		{"nested repeats", "((a|b){1,33}){1,30}z", ErrSize},
		{"repeats beyond any number", strings.Repeat("(", 40) + "a" + strings.Repeat("){255}", 40), ErrSize},
		{"a megabyte of them", strings.Repeat("((a|b){1,33}){1,30}z", 50_000), ErrSize},
		{"a long text", strings.Repeat("a", 300), ErrSize},
		{"a number that Go takes for text", "a{02}", ErrSyntax},
		{"groups in groups", strings.Repeat("(", 1_000_000), ErrSyntax},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := unshared.Compile(c.pattern, Exact)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, c.want) {
				t.Errorf("Compile: %v; want %v", err, c.want)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
				t.Errorf("Compile allocated %d bytes", n)
			}
		})
	}
}

func TestExpressionsWithManyStatesAreLeftToPostgres(t *testing.T) {
	for pattern, want := range map[string]error{
		"(a|b)*a(a|b){4}c":    nil,
		"(a|b)*a(a|b){20}c":   ErrSize,
		"a.{20}b.{20}c":       ErrSize,
		"(x+x+)+y":            nil, // takes for ever where it is tried again and again
		"error|warning|fatal": nil,
		"(debug|info|notice|warning|error|critical|alert|emergency)": nil,
		`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`:                nil,
		"(foo|bar|baz).*(quux|garply).*waldo":                        nil,
	} {
		if _, err := unshared.Compile(pattern, FoldASCII); !errors.Is(err, want) {
			t.Errorf("Compile(%q): %v; want %v", pattern, err, want)
		}
	}
}

// checkAutomaton holds an automaton to Go's own way of matching.
func checkAutomaton(t rapid.TB, pattern, text string) {
	for fold, flags := range map[Case]string{Exact: "(?s)", FoldASCII: "(?is)"} {
		r, err := unshared.Compile(pattern, fold)
		if err != nil {
			continue
		}
		if want := regexp.MustCompile(flags + pattern).MatchString(text); r.automaton.match(text) != want {
			t.Errorf("%s%s matches %q: %t; want %t", flags, pattern, text, !want, want)
		}
	}
}

func TestAutomataMatchWhatExpressionsDo(t *testing.T) {
	compiled := 0
	rapid.Check(t, func(rt *rapid.T) {
		pattern := regexps.Draw(rt, "pattern")
		if _, err := unshared.Compile(pattern, Exact); err == nil {
			compiled++
		}
		for _, text := range rapid.SliceOfN(texts, 20, 20).Draw(rt, "texts") {
			checkAutomaton(rt, pattern, text)
		}
	})
	if compiled == 0 {
		t.Error("no pattern was compiled")
	}
}

func FuzzAutomaton(f *testing.F) {
	for _, s := range []string{"^a|b$", "$", "^$", "a$|^b", "(^a|b)+c", "(a|b)*a(a|b){2}$", "[^a]$", ".", "k[a-z]S", "^(a|ab)(c|bcd)$", "a*?b", "(^|a)(b|$)"} {
		for _, text := range []string{"", "a", "abcd", "\u212abs", "\xff", "a\nb"} {
			f.Add(s, text)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, text string) { checkAutomaton(t, pattern, text) })
}

// BenchmarkRegexp shows that the time for a byte is the same for all.
func BenchmarkRegexp(b *testing.B) {
	for _, pattern := range []string{"needle", "(a|b|aa)*z", "(a?){40}z", "(x+x+)+y", "(a|b)*a(a|b){4}z"} {
		for _, n := range []int{20_000, 40_000} {
			b.Run(fmt.Sprintf("%s/bytes=%d", pattern, n), func(b *testing.B) {
				r, err := unshared.Compile(pattern, Exact)
				if err != nil {
					b.Fatal(err)
				}
				text := strings.Repeat("a", n)
				for b.Loop() {
					r.Match(text)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/byte")
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, pattern := range []string{"needle", "error|warning|fatal", `^[a-z0-9._]+@[a-z0-9]+\.[a-z]{2,24}$`, "(foo|bar|baz).*(quux|garply).*waldo", "(a|b)*a(a|b){20}c", "a.{20}b.{20}c"} {
		b.Run(pattern, func(b *testing.B) {
			for b.Loop() {
				_, _ = compile("(?s)" + pattern)
			}
		})
	}
}

// anyCase is the case that takes most.
func anyCase(text string) Case {
	if isASCII(text) {
		return FoldASCII
	}
	return Exact
}

// distinct is alternatives that begin with different characters.
func distinct(n int) string {
	var list []string
	for i := range n {
		list = append(list, string(rune(0x4e00+2*i))+"1")
	}
	return strings.Join(list, "|")
}

// TestExpressionsTakeNoMoreThanSaid compiles many of each kind.
func TestExpressionsTakeNoMoreThanSaid(t *testing.T) {
	for i, pattern := range []string{
		"%04d", "^%04d$", `^[a-z0-9._]+@[a-z]{2,24}\.%04d$`, "(a|b|c){1,20}%04d", `^(a1|b2|c3|d4|e5|f6|g7|h8|i9|j1|k2|l3|m4|n5|o6|p7|q8|r9|s1|t2|u3|v4)%04d$`,
		"(a|b)*a(a|b){5}%04d", "(" + distinct(20) + ")*a(a|b){2}%04d",
		"^(" + distinct(30) + ")%04d$", "(" + distinct(30) + ")%04d$",
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			const n = 200
			held, expressions := make([]Regexp, n), NewExpressions()
			said := 0
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for i := range held {
				text := fmt.Sprintf(pattern, i)
				r, err := expressions.Compile(text, anyCase(text))
				if err != nil {
					t.Fatal(err)
				}
				held[i], said = r, said+Bytes(text)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			took := int(after.HeapAlloc) - int(before.HeapAlloc)
			t.Logf("%d bytes each, of %d instructions; said are %d", took/n, Size(fmt.Sprintf(pattern, 0)), said/n)
			if took > said {
				t.Errorf("%d expressions take %d bytes; Bytes says %d", n, took, said)
			}
			runtime.KeepAlive(held)
			runtime.KeepAlive(expressions)
		})
	}
}

func TestEqualExpressionsAreOneUntilNobodyHoldsThem(t *testing.T) {
	expressions := NewExpressions()
	compile := func() Regexp {
		r, err := expressions.Compile("equal expressions (are|is) one", Exact)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := compile(), compile()
	if a.automaton != b.automaton {
		t.Error("two equal expressions are compiled twice")
	}
	if folded, err := expressions.Compile("equal expressions (are|is) one", FoldASCII); err != nil || folded.automaton == a.automaton {
		t.Error("one that does not tell case apart is the same as one that does")
	}
	text := "(?s)equal expressions (are|is) one"
	if expressions.find(text) != a.automaton {
		t.Error("an expression that is held is not known")
	}
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		runtime.GC()
		expressions.mu.Lock()
		_, known := expressions.entries[text]
		expressions.mu.Unlock()
		if !known {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("an expression that nobody holds is still known")
		}
	}
}
