package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorder is a testing.TB that notes what failed instead of failing.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Errorf(format string, args ...any) { r.failed += fmt.Sprintf(format, args...) }
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); panic(r) }

// attempt returns what f complained of.
func attempt(t *testing.T, f func(testing.TB)) string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		f(r)
	}()
	return r.failed
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCases(t *testing.T) {
	dir := t.TempDir()
	b := write(t, dir, "b.v1.json", "two")
	a := write(t, dir, "a.v1.json", "one")
	write(t, dir, "c.txt", "no case")
	got := Cases(t, filepath.Join(dir, "*.json"))
	if diff := cmp.Diff([]Case{{"a", a}, {"b", b}}, got); diff != "" {
		t.Errorf("Cases differ (-want +got):\n%s", diff)
	}
	if with := got[0].With(".bin"); with != filepath.Join(dir, "a.bin") {
		t.Errorf("With = %s", with)
	}
	if text := string(got[1].Read(t)); text != "two" {
		t.Errorf("Read = %s; want two", text)
	}
}

func TestCasesFailsWhenThereAreNone(t *testing.T) {
	complaint := attempt(t, func(t testing.TB) { Cases(t, "no-such-folder/*.json") })
	if !strings.Contains(complaint, "found 0 files") {
		t.Errorf("Cases complains %q", complaint)
	}
}

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	text := write(t, dir, "text", "a < b\n")
	object := write(t, dir, "object", "{\n  \"a\": \"<\"\n}\n")
	for _, c := range []struct {
		name, path string
		got        any
		differs    bool
	}{
		{"equal text", text, "a < b", false},
		{"equal bytes", text, []byte("a < b\n\n"), false},
		{"other text", text, "a > b", true},
		{"equal value", object, map[string]string{"a": "<"}, false},
		{"other value", object, map[string]string{"a": ">"}, true},
		{"no file", filepath.Join(dir, "none"), "x", true},
	} {
		complaint := attempt(t, func(t testing.TB) { Compare(t, c.path, c.got) })
		if (complaint != "") != c.differs {
			t.Errorf("%s: Compare complains %q; want a complaint: %t", c.name, complaint, c.differs)
		}
		if complaint != "" && !strings.Contains(complaint, "-update") {
			t.Errorf("%s: %q does not say how to update", c.name, complaint)
		}
	}
}

func TestCompareUpdates(t *testing.T) {
	*update = true
	t.Cleanup(func() { *update = false })
	path := filepath.Join(t.TempDir(), "new")
	Compare(t, path, "x")
	*update = false
	Compare(t, path, "x")
	if text, err := os.ReadFile(path); string(text) != "x\n" || err != nil {
		t.Errorf("file = %q, %v; want x with a line end", text, err)
	}
}

func TestCompareSection(t *testing.T) {
	const page = "# A\n<!-- begin table -->\nold\n<!-- end table -->\nrest\n"
	path := write(t, t.TempDir(), "page.md", page)
	section := func(name, text string) string {
		return attempt(t, func(t testing.TB) { CompareSection(t, path, name, text) })
	}
	if complaint := section("table", "old"); complaint != "" {
		t.Errorf("an equal section complains %q", complaint)
	}
	if complaint := section("table", "new"); !strings.Contains(complaint, "stale") {
		t.Errorf("another section complains %q", complaint)
	}
	if complaint := section("nothing", "old"); !strings.Contains(complaint, "no section") {
		t.Errorf("a missing section complains %q", complaint)
	}
	*update = true
	t.Cleanup(func() { *update = false })
	CompareSection(t, path, "table", "new")
	text, err := os.ReadFile(path)
	if want := strings.Replace(page, "old", "new", 1); err != nil || string(text) != want {
		t.Errorf("updated page = %q, %v; want %q", text, err, want)
	}
}
