package conformance

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"walcast/internal/transcript"
)

// elsewhere are the tests of those rows of the table "Where walcast differs" in
// docs/protocol.md that the recordings do not show: what is the same here, and what
// cannot be recorded. The keys are the rows' numbers.
var elsewhere = map[string]struct{ file, text string }{
	"3":  {"test/conformance/deviation_filters_test.go", `bt=eq.\x00ff`},
	"5":  {"test/e2e/filters.test.mjs", "int8 and numeric come exactly as strings when asked for"},
	"13": {"test/conformance/deviation_postgres_test.go", "never matches the filter on"},
	"18": {"testdata/filters/upstream.jsonl", `{"filter": "i=neq.1", "rows": [2, 4, 5, 6, 7, 8]}`},
	"20": {"server/difference_pg_test.go", "TestPublicationsAreRespected"},
	"21": {"server/difference_pg_test.go", "TestPublicationsAreRespected"},
	"22": {"server/difference_pg_test.go", "TestTruncateGoesToWhoAsksForIt"},
	"29": {"server/difference_pg_test.go", "TestRefusedJoinsHoldNothingUp"},
	"31": {"server/difference_pg_test.go", "TestWhileTheDatabaseIsAway"},
	"32": {"channels/messages_pg_test.go", "TestMessagesOfADowntimeAreForThoseWhoWereHereBefore"},
	"35": {"server/write_check_pg_test.go", "TestAPolicyThatChangesIsNoticedForWrites"},
	"36": {"test/e2e/broadcast.test.mjs", "private_only refuses public channels, over HTTP too"},
	"37": {"gateway/rates_test.go", "TestBytesAboveTheRateAreAnsweredWithAnError"},
	"38": {"channels/limit_pg_test.go", "TestOversizeBroadcastsAreCounted"},
	"44": {"testdata/transcripts/02-join.jsonl", "push on a joined topic with stale, absent and null join_ref"},
	"45": {"test/conformance/deviation_token_test.go", `":signature_error"`},
	"46": {"server/difference_pg_test.go", "TestWhileTheDatabaseIsAway"},
	"53": {"test/e2e/waits.test.mjs", "a join that waits is refused with what is wrong and its cure"},
	"48": {"test/conformance/deviation_filters_test.go", `"t=isdistinct.null"`},
}

var differenceRow = regexp.MustCompile(`^\| ([\d, ]+) \|`)

// TestEveryDifferenceIsShown goes through the table of docs/protocol.md.
func TestEveryDifferenceIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, f := range files {
		for _, d := range f.deviations {
			for n := range strings.SplitSeq(d.why, ", ") {
				shown[n] = true
			}
		}
	}
	for n, test := range elsewhere {
		text, err := os.ReadFile("../../" + test.file)
		if err != nil || !strings.Contains(string(text), test.text) {
			t.Errorf("difference %s: %s has no %q (%v)", n, test.file, test.text, err)
		}
		shown[n] = true
	}
	for _, o := range offences { // see limit_pg_test.go
		transcript.Read(t, "../../testdata/transcripts/"+o.file+".jsonl")
		shown["27"], shown["28"] = true, true
	}
	for _, n := range differences(t) {
		if !shown[n] {
			t.Errorf("difference %s is shown by no test", n)
		}
	}
}

// differences are the numbers of the table.
func differences(t *testing.T) (numbers []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "## Where walcast differs")
	for line := range strings.Lines(table) {
		if m := differenceRow.FindStringSubmatch(line); m != nil {
			numbers = append(numbers, strings.Split(m[1], ", ")...)
		}
	}
	if !found || len(numbers) < 40 || !slices.Contains(numbers, "1") {
		t.Fatalf("docs/protocol.md lists differences %v; want its table", numbers)
	}
	return numbers
}
