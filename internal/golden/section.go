package golden

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// CompareSection fails the test unless the part of a document that stands
// between the lines <!-- begin name --> and <!-- end name --> is text: a table
// that is generated, in a page that is written.
func CompareSection(t testing.TB, path, name, text string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read document: %v", err)
	}
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	before, rest, found := strings.Cut(string(page), begin)
	have, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no section %q: want the lines %q and %q", path, name, strings.TrimSpace(begin), end)
	}
	text = strings.TrimRight(text, "\n") + "\n"
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+text+end+after), 0o644); err != nil {
			t.Fatalf("update document: %v", err)
		}
		return
	}
	if diff := cmp.Diff(have, text); diff != "" {
		t.Errorf("section %q of %s is stale (-have +want; go test -update rewrites it):\n%s", name, path, diff)
	}
}
