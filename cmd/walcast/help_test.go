package main

import (
	"strings"
	"testing"
)

// TestHelpAndVersionAnswerHoweverTheyAreAskedFor: people try a word and a flag, and both
// have one answer.
func TestHelpAndVersionAnswerHoweverTheyAreAskedFor(t *testing.T) {
	cleared(t)
	for _, c := range []struct{ asked, same string }{
		{"help", "--help"}, {"", "--help"}, {"help serve", "serve --help"}, {"help slot drop", "slot drop --help"}, {"--version", "version"},
	} {
		code, out, errOut := command(t, strings.Fields(c.asked)...)
		_, want, _ := command(t, strings.Fields(c.same)...)
		if code != 0 || out != want || errOut != "" || out == "" {
			t.Errorf("walcast %s exits %d with %q, %q; want what walcast %s prints: %q", c.asked, code, out, errOut, c.same, want)
		}
	}
	if code, _, errOut := command(t, "help", "nonsense"); code != exitUsage || !strings.Contains(errOut, "nonsense") {
		t.Errorf("walcast help nonsense exits %d with %q; want it to name the word", code, errOut)
	}
}
