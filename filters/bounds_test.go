package filters

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"walcast/replication/wal"
)

func TestFiltersThatAreTooLargeAreRefusedAtOnce(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for name, c := range map[string]struct{ text, want string }{
		"a filter at the bound":          {"title=eq." + long(maxFilterBytes-9), ""},
		"a longer one":                   {"title=eq." + long(maxFilterBytes-8), "the filter has 65537 bytes. Maximum 65536"},
		"as many conditions as may be":   {strings.Repeat("id=eq.1,", 999) + "id=eq.1", ""},
		"one more":                       {strings.Repeat("id=eq.1,", 1000) + "id=eq.1", "the filter has 1001 conditions. Maximum 1000"},
		"many conditions in a group":     {"or=(" + strings.Repeat("id.eq.1,", 999) + "id.eq.1)", "the filter has 1001 conditions. Maximum 1000"},
		"a long pattern":                 {"title=like.%" + long(maxPatternBytes-1), ""},
		"a longer pattern":               {"title=not.ilike.%" + long(maxPatternBytes), "the pattern of a `ilike` filter has 8193 bytes. Maximum 8192"},
		"a longer regular expression":    {"title=match.a" + long(maxPatternBytes), "the pattern of a `match` filter has 8193 bytes. Maximum 8192"},
		"a longer expression in a group": {"or=(id.eq.1,title.imatch.a" + long(maxPatternBytes) + ")", "the pattern of a `imatch` filter has 8193 bytes. Maximum 8192"},
	} {
		_, err := Parse(c.text)
		var refused *ParseError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s is refused: %v", name, err)
		case c.want != "" && (!errors.As(err, &refused) || refused.Message != "Error parsing `filter` params: "+c.want):
			t.Errorf("%s: %.200v; want %s", name, err, c.want)
		}
	}
}

// TestBracketsThatNobodyClosesAreOrdinary once there are many: each is looked
// for to the end of the filter.
func TestBracketsThatNobodyClosesAreOrdinary(t *testing.T) {
	for open, want := range map[int]int{1: 1 + 1, maxOpenLiterals: maxOpenLiterals + 1, 9000: 9000 + 2} {
		text := strings.Repeat("a=cs.[[,", open) + "b=cs.{x,y}"
		if got := len(split(text, '=')); got != want {
			t.Errorf("behind %d open brackets there are %d segments; want %d", open, got, want)
		}
	}
}

func TestWhatPostgresWouldBeGivenWithEachRowIsBounded(t *testing.T) {
	rel := rooms()
	for text, refused := range map[string]bool{
		"shape=eq." + strings.Repeat("1", maxAskedBytes):              false,
		"shape=eq." + strings.Repeat("1", maxAskedBytes+1):            true,
		"shape=not.eq." + strings.Repeat("1", maxAskedBytes+1):        true,
		"or=(id.eq.1,shape.eq." + strings.Repeat("1", 9000) + ")":     true,
		"shape=in.(" + strings.Repeat("1", maxAskedBytes+1) + ")":     true,
		"title=eq." + strings.Repeat("1", maxAskedBytes+1):            false, // Go compares it
		"data=cs.[1" + strings.Repeat(",1", maxAskedBytes) + "]":      false,
		"data" + strings.Repeat("->a", maxPathSteps) + "=is.null":     false,
		"data" + strings.Repeat("->a", maxPathSteps+1) + "=is.null":   true,
		"data" + strings.Repeat("->a", 10_000) + "->>b=eq.1":          true,
		"title=like.%" + strings.Repeat("a_", 4000) + "a%":            false, // for Postgres, but short enough
		`title=match."((a|b){1,33}){1,30}z"`:                          false,
		"title=match." + strings.Repeat("(a|b|c)", maxPatternBytes/7): false,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Errorf("%.30s…: %v", text, err)
			continue
		}
		_, err = Resolve(context.Background(), rel, f, utc(), &yes{}, nil)
		var got *BindError
		if errors.As(err, &got) != refused || refused && got.SQLState != "P0001" {
			t.Errorf("%.30s… of %d bytes is refused with %v; want refused: %t", text, len(text), err, refused)
		}
	}
	if _, err := Compare(rel, "shape", Eq, strings.Repeat("1", maxAskedBytes+1), utc()); err != nil {
		t.Errorf("a policy's literal is refused: %v", err)
	}
}

// TestPatternsThatWouldTakeLongAreAsked of Postgres, and counted as such.
func TestPatternsThatWouldTakeLongAreAsked(t *testing.T) {
	row := rowOf("1", "1", "some title", "1", "", "t", "ok", "{}", "{}", "(1,2)")
	for text, asked := range map[string]bool{
		"title=like.%" + strings.Repeat("a_", 40) + "a%": true,
		`title=match."((a|b){1,33}){1,30}z"`:             true,
		"title=like.%a_a%":                               false,
		`title=match."(a|b){1,20}z"`:                     false,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		e, err := compile(rooms(), f, utc().certainty())
		if err != nil {
			t.Fatal(err)
		}
		var wanted []Call
		e.(node).evaluate(&evaluation{row: row, wanted: &wanted})
		if !asked && len(wanted) > 0 || asked && (len(wanted) != 1 || wanted[0].Why != DoubtSize) {
			t.Errorf("%.40s asks %+v; want asked: %t", text, wanted, asked)
		}
	}
}

// TestALongListIsReadForItsMistakesOnly has more values than a list may have.
func TestALongListIsReadForItsMistakesOnly(t *testing.T) {
	for text, want := range map[string]string{
		"id=in.(" + sequence(0, 100) + ")":   "",
		"id=in.(" + sequence(0, 9000) + ")":  "too many values for `in` filter. Maximum 100",
		"id=in.(" + sequence(0, 900) + ",x)": `invalid input syntax for type integer: "x"`,
	} {
		f, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = compile(rooms(), f, utc().certainty()); fmt.Sprint(err) != want && (err != nil || want != "") {
			t.Errorf("%.20s…: %v; want %s", text, err, want)
		}
	}
}

// TestEachPathIsFollowedOnceForARow however many expressions want it.
func TestEachPathIsFollowedOnceForARow(t *testing.T) {
	ix := NewIndex[int](utc())
	for i := range 50 {
		ix.Add(selecting(fmt.Sprintf("data->>kind=like.%%%d%%", i)), i)
	}
	rel := rooms()
	for _, kind := range []string{"7", "chat 31", "none"} { // what one row has is not for another
		want := 0
		for i := range 50 {
			if strings.Contains(kind, fmt.Sprint(i)) {
				want++
			}
		}
		got := 0
		row := rowOf("1", "1", "x", "1", "", "t", "ok", `{"kind": "`+kind+`"}`, "{}", "(1,2)")
		ix.Match(&wal.Change{Operation: wal.Insert, Relation: rel, New: row}, func(_ int, truth Truth) {
			if truth == True {
				got++
			}
		})
		if got != want || len(ix.matcher.paths) != 1 {
			t.Errorf("%q: %d filters match, %d paths are known; want %d, 1", kind, got, len(ix.matcher.paths), want)
		}
	}
}

// yes is an Asker that says yes to everything.
type yes struct{}

func (*yes) Ask(_ context.Context, _ Subject, calls []Call) ([]Answer, error) {
	answers := make([]Answer, len(calls))
	for i := range answers {
		answers[i].Truth = True
	}
	return answers, nil
}
