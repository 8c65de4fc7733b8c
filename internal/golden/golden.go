// Package golden reads test cases from files and compares results with files
// that a person can read. `go test ./protocol -update` rewrites the latter; the change
// is reviewed like code. It is for tests only.
package golden

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files with what the tests got")

// Case is one input file. Its name says what is special about it.
type Case struct {
	Name string // file name without folder and kind: "toast-unchanged"
	Path string // "../testdata/pgoutput/toast-unchanged.hex"
}

// Cases returns the files that match pattern in alphabetical order. None is a
// failure: a moved folder must not make a test pass.
func Cases(t testing.TB, pattern string) []Case {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("golden.Cases(%q) found %d files, error %v; want at least one", pattern, len(paths), err)
	}
	cases := make([]Case, len(paths))
	for i, path := range paths {
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		cases[i] = Case{Name: name, Path: path}
	}
	return cases
}

// With is the path of the case's file of another kind: With(".json").
func (c Case) With(kind string) string {
	return filepath.Join(filepath.Dir(c.Path), c.Name+kind)
}

// Read returns the case's file.
func (c Case) Read(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatalf("read case: %v", err)
	}
	return text
}

// Compare fails the test unless got is what the file says. A []byte or string
// is compared as text, anything else as indented JSON; line ends at the end of
// the file do not count.
func Compare(t testing.TB, path string, got any) {
	t.Helper()
	text := format(t, got)
	if *update {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatalf("update golden file: %v", err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(trim(want), trim(text)); diff != "" {
		t.Errorf("%s differs (-want +got; go test -update rewrites it):\n%s", path, diff)
	}
}

func format(t testing.TB, got any) []byte {
	t.Helper()
	switch v := got.(type) {
	case []byte:
		return append(bytes.TrimRight(v, "\n"), '\n')
	case string:
		return []byte(trim([]byte(v)) + "\n")
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false) // <, > and & are to be read
	e.SetIndent("", "  ")
	if err := e.Encode(got); err != nil {
		t.Fatalf("format result as JSON: %v", err)
	}
	return out.Bytes()
}

func trim(text []byte) string { return strings.TrimRight(string(text), "\n") }
