package road

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// root is the folder of the module.
const root = "../.."

// unlisted are folders whose goroutines and locks are not in the tables of
// docs/architecture.md, as they are no part of the program.
var unlisted = []string{"test", "tools", "clients"}

// sources parses the files of the program, without its tests.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(unlisted, name) || strings.HasPrefix(d.Name(), ".") && name != "."):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		files[filepath.ToSlash(name)], err = parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		return err
	})
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
	return files
}

// named returns what stands between backquotes and matches a pattern, in a
// section of docs/architecture.md.
func named(t *testing.T, section, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("docs/architecture.md has no section %q", section)
	}
	after, _, _ = strings.Cut(after, "\n## ")
	var names []string
	for _, found := range regexp.MustCompile("`("+pattern+")`").FindAllStringSubmatch(after, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	return names
}

func TestEveryFileThatStartsAGoroutineIsInTheTable(t *testing.T) {
	var starting []string
	for name, file := range sources(t) {
		if startsGoroutine(file) {
			starting = append(starting, name)
		}
	}
	slices.Sort(starting)
	listed := slices.Compact(named(t, "Goroutines", `[\w/]+\.go`))
	if diff := cmp.Diff(listed, starting); diff != "" {
		t.Errorf("files that start goroutines (-in docs/architecture.md +in the code):\n%s", diff)
	}
}

// starters are the names of functions and methods that have another function
// called in a goroutine of its own, now or later.
var starters = []string{"Go", "AfterFunc", "AddCleanup"}

// startsGoroutine reports whether a file has a go statement, a call of a method
// Go, as groups have it, or of a function that has another one called in a
// goroutine of its own later.
func startsGoroutine(file *ast.File) (starts bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			starts = true
		case *ast.CallExpr:
			if called, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(starters, called.Sel.Name) {
				starts = true
			}
		}
		return !starts
	})
	return starts
}

func TestEveryLockIsInTheTableOnce(t *testing.T) {
	var locks []string
	for _, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if of, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range locksOf(of) {
						locks = append(locks, file.Name.Name+"."+spec.Name.Name+"."+field)
					}
				}
			}
			return true
		})
	}
	slices.Sort(locks)
	if diff := cmp.Diff(named(t, "Order of locks", `\w+\.\w+\.\w+`), locks); diff != "" {
		t.Errorf("locks (-in docs/architecture.md +in the code):\n%s", diff)
	}
}

// locksOf are the fields of a struct that are locks.
func locksOf(s *ast.StructType) (names []string) {
	for _, field := range s.Fields.List {
		of, ok := field.Type.(*ast.SelectorExpr)
		if !ok || of.Sel.Name != "Mutex" && of.Sel.Name != "RWMutex" {
			continue
		}
		if len(field.Names) == 0 {
			names = append(names, of.Sel.Name)
		}
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}
