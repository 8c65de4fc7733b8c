package pattern

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// simpleLike is LIKE by its definition, which takes time without end.
func simpleLike(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	switch c := pattern[0]; c {
	case '%':
		return simpleLike(pattern[1:], text) || text != "" && simpleLike(pattern, text[firstChar(text):])
	case '_':
		return text != "" && simpleLike(pattern[1:], text[firstChar(text):])
	case '\\':
		pattern = pattern[1:]
	}
	return text != "" && text[0] == pattern[0] && simpleLike(pattern[1:], text[1:])
}

// checkLike holds a pattern against the definition.
func checkLike(t rapid.TB, pattern, text string) {
	for _, fold := range []Case{Exact, FoldASCII} {
		p, err := Like(pattern, fold)
		if err != nil {
			return
		}
		want := simpleLike(pattern, text)
		if fold == FoldASCII {
			want = simpleLike(mapASCII(pattern), mapASCII(text))
		}
		if got, certain := p.Match(text); got != want || !certain {
			t.Errorf("%q like %q, fold %d = %t, certain: %t; want %t", text, pattern, fold, got, certain, want)
		}
	}
}

func mapASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func TestLikeIsWhatItsDefinitionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alphabet := []rune(rapid.SampledFrom([]string{"ab", "aAä", "ab💥", "ä\u00e5"}).Draw(t, "alphabet"))
		pattern := rapid.StringOfN(rapid.RuneFrom(append(alphabet, '%', '_', '\\')), 0, 10, -1).Draw(t, "pattern")
		checkLike(t, pattern, rapid.StringOfN(rapid.RuneFrom(alphabet), 0, 14, -1).Draw(t, "text"))
	})
}

// TestLongLikeIsWhatItsDefinitionSays has pieces of more than a word.
func TestLongLikeIsWhatItsDefinitionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringOfN(rapid.RuneFrom([]rune("aB")), 1, 4, -1).Draw(t, "word")
		piece := strings.Repeat(word, 64/len(word)) + rapid.StringOfN(rapid.RuneFrom([]rune("aB")), 1, 9, -1).Draw(t, "end")
		text := strings.Repeat(word, rapid.IntRange(0, 40).Draw(t, "before")) + piece + word
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		pattern := "%" + piece + "%"
		for _, text := range []string{text, text[:cut], text[cut:]} {
			for fold, want := range map[Case]bool{
				Exact:     strings.Contains(text, piece),
				FoldASCII: strings.Contains(mapASCII(text), mapASCII(piece)),
			} {
				p, err := Like(pattern, fold)
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := p.Match(text); got != want {
					t.Errorf("%q like %q, fold %d = %t; want %t", text, pattern, fold, got, want)
				}
			}
		}
	})
}

func FuzzLike(f *testing.F) {
	f.Add("a%_b", "aäb")
	f.Add(`%a\%b__%c_d%`, "xa%bäöcXd")
	f.Add("%a_a_ab%", "aaaaaaaaab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if utf8.ValidString(pattern) && utf8.ValidString(text) && len(pattern) < 12 && len(text) < 16 {
			checkLike(t, pattern, text)
		}
		checkSteps(t, pattern, text)
	})
}

// checkSteps holds a match to a few steps for each byte of text and pattern.
func checkSteps(t testing.TB, pattern, text string) {
	for _, fold := range []Case{Exact, FoldASCII} {
		p, err := Like(pattern, fold)
		if err != nil {
			return
		}
		m := likeMatch{text: text, fold: fold != Exact}
		m.match(p)
		if most := 5 * (len(text) + len(pattern)); m.steps > most {
			t.Errorf("%.40q… of %d bytes against %d bytes takes %d steps; want at most %d", pattern, len(pattern), len(text), m.steps, most)
		}
	}
}

func TestLikeTakesAFewStepsForEachByte(t *testing.T) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		text := strings.Repeat("a", n)
		for _, pattern := range []string{
			"%" + strings.Repeat("a", n/2) + "b%", strings.Repeat("%a", n/2) + "%b%", "%" + strings.Repeat("a", 99) + "b%",
			"%a_a_a_ab%", "%" + strings.Repeat("_", n/2) + "b", strings.Repeat("%_", n/2) + "b%", "%" + strings.Repeat("aab", n/6) + "b%",
			strings.Repeat("%"+strings.Repeat("a", 70), n/140) + "b%",
		} {
			checkSteps(t, pattern, text)
			checkSteps(t, pattern, strings.Repeat("aab", n/3))
		}
	}
}

func TestLikeThatWouldTakeLongIsLeftToPostgres(t *testing.T) {
	gaps := func(n int) string { return strings.Repeat("a_", n) + "a" }
	for _, c := range []struct {
		name, pattern string
		want          error
	}{
		{"gaps in a piece that is searched for, within a word", "%" + gaps(31) + "%", nil},
		{"gaps in a longer one", "%" + gaps(32) + "%", ErrSize},
		{"gaps at the start and the end, which are not searched for", gaps(500) + "%x%" + gaps(500), nil},
		{"what is not UTF-8", "a\xffb", ErrSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Like(c.pattern, Exact); !errors.Is(err, c.want) {
				t.Errorf("Like: %v; want %v", err, c.want)
			}
		})
	}
}

func TestLikeTakesAFewBytesForEachOfItsPattern(t *testing.T) {
	for _, pattern := range []string{strings.Repeat("%a", 5000), strings.Repeat("a_", 5000), "%" + strings.Repeat("ab", 5000) + "%", strings.Repeat(`\a`, 500)} {
		t.Run(fmt.Sprintf("%.8s", pattern), func(t *testing.T) {
			p, err := Like(pattern, FoldASCII)
			if err != nil {
				t.Fatal(err)
			}
			if p.Bytes() > 5*len(pattern) {
				t.Errorf("a pattern of %d bytes takes %d; want at most 5 times as many", len(pattern), p.Bytes())
			}
		})
	}
}
