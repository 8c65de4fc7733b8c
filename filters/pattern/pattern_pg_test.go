package pattern

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"walcast/internal/devdb"
)

// verdict is what Postgres says of a text and a pattern; nil when it raises.
type verdict struct {
	Matches *bool
	Message *string
}

func newJudge(t *testing.T) func(t rapid.TB, operator string, texts, patterns []string) []verdict {
	db := devdb.Open(t)
	db.Exec(`create function judge(operator text, value text, pattern text, out matches boolean, out message text)
		language plpgsql as $$
		begin
			execute format('select $1 %s $2', operator) into matches using value, pattern;
		exception when others then message := sqlerrm;
		end $$`)
	return func(t rapid.TB, operator string, texts, patterns []string) []verdict {
		rows, err := db.Pool.Query(context.Background(), `select j.matches, j.message
			from unnest($2::text[], $3::text[]) with ordinality as v (text, pattern, ordinal), judge($1, text, pattern) as j
			order by ordinal`, operator, texts, patterns)
		if err != nil {
			t.Fatal(err)
		}
		verdicts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[verdict])
		if err != nil {
			t.Fatal(err)
		}
		return verdicts
	}
}

// The alphabets are small, so that patterns and texts meet.
var (
	texts        = rapid.StringOfN(rapid.RuneFrom([]rune("aaabbcAB01_ .-%\\ä\n\tKks\u212a\u017f")), 0, 8, -1)
	likePatterns = rapid.StringOfN(rapid.RuneFrom([]rune("aabbcAB%%%__\\ä\nKs")), 0, 8, -1)
	regexps      = rapid.Custom(func(t *rapid.T) string {
		pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "b", "c", "A", "k", "S", "0", "ä", ".", "^", "$", "(a|b)", "(ab)", "(a(b|c))", "[ab]", "[^ab]", "[a-c0-9]", `\d`, `\w`, `\s`, `\.`, `\\`,
			"*", "+", "?", "{2}", "{1,}", "{0,2}", "{2,1}", "*?", "|", "(", ")", "[", "]", "{", "}", `\b`, `\1`, "(?:a)", "[[:alpha:]]", "[]a]", "[a", " ", "-", "()", "a{256}", "a{02}", "a{1,02}", "\n",
		}), 0, 6).Draw(t, "pieces")
		s := ""
		for _, p := range pieces {
			s += p
		}
		return s
	})
)

func TestLikeIsThatOfPostgres(t *testing.T) {
	judge := newJudge(t)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(texts, 30, 30).Draw(t, "texts")
		patterns := rapid.SliceOfN(likePatterns, 30, 30).Draw(t, "patterns")
		for operator, fold := range map[string]Case{"like": Exact, "ilike": FoldASCII} {
			for i, want := range judge(t, operator, values, patterns) {
				p, err := Like(patterns[i], fold)
				if err == nil && want.Message != nil {
					t.Fatalf("Like(%q) is accepted; Postgres says %s", patterns[i], *want.Message)
				}
				if err != nil && want.Message != nil && err.Error() != *want.Message {
					t.Fatalf("Like(%q): %v; Postgres says %s", patterns[i], err, *want.Message)
				}
				if err != nil {
					continue // Postgres raises only for texts that match so far
				}
				if got, certain := p.Match(values[i]); !certain || got != *want.Matches {
					t.Fatalf("%q %s %q = %t, certain: %t; Postgres says %t", values[i], operator, patterns[i], got, certain, *want.Matches)
				}
				if local, _ := Like(patterns[i], FoldLocal); fold == FoldASCII {
					if got, certain := local.Match(values[i]); certain && got != *want.Matches {
						t.Fatalf("%q ilike %q = %t; Postgres says %t", values[i], patterns[i], got, *want.Matches)
					}
				}
			}
		}
	})
}

// nested are expressions with groups in groups, anchors anywhere and repeats of all of it.
func nested(t *rapid.T, depth int) (s string) {
	for i := range rapid.IntRange(1, 3).Draw(t, "branches") {
		if i > 0 {
			s += "|"
		}
		for range rapid.IntRange(1, 3).Draw(t, "atoms") {
			atom := rapid.SampledFrom([]string{"a", "b", "c", ".", "^", "$", "[ab]", "[^a]", "[A-b0]", `\w`, `\s`, `\.`, "-", "\u212a", "ä"}).Draw(t, "atom")
			if depth > 0 && rapid.Bool().Draw(t, "group") {
				atom = "(" + nested(t, depth-1) + ")"
			}
			s += atom + rapid.SampledFrom([]string{"", "", "", "*", "+", "?", "{2}", "{0,2}", "{0}", "{1,}", "*?", "??", "{0,1}?"}).Draw(t, "times")
		}
	}
	return s
}

func TestRegexpIsThatOfPostgres(t *testing.T) {
	judge := newJudge(t)
	regexps := rapid.OneOf(regexps, rapid.Custom(func(t *rapid.T) string { return nested(t, 3) }))
	certainly, asked := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(texts, 30, 30).Draw(t, "texts")
		patterns := rapid.SliceOfN(regexps, 30, 30).Draw(t, "patterns")
		for operator, fold := range map[string]Case{"~": Exact, "~*": FoldASCII} {
			for i, want := range judge(t, operator, values, patterns) {
				r, err := unshared.Compile(patterns[i], fold)
				if err != nil {
					asked++
					continue
				}
				certainly++
				if want.Message != nil {
					t.Fatalf("Compile(%q) is accepted; Postgres says %s", patterns[i], *want.Message)
				}
				if got, certain := r.Match(values[i]); certain && got != *want.Matches {
					t.Fatalf("%q %s %q = %t; Postgres says %t", values[i], operator, patterns[i], got, *want.Matches)
				}
			}
		}
	})
	if certainly < asked/4 {
		t.Errorf("%d expressions compiled, %d left to Postgres; want more of the former", certainly, asked)
	}
}
