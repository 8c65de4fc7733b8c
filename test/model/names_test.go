package model

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// reference is a comment of a model that says where in the code a step is: a package and
// names in it, and so on for other packages after a semicolon.
var reference = regexp.MustCompile(`(?s)\bcode: ((?:replication|channels).*?)\*/`)

// named lists the names that the models have for what is in the code, by package.
func named(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	for _, file := range models(t) {
		found := reference.FindAllStringSubmatch(read(t, file), -1)
		if len(found) < 10 {
			t.Errorf("%s: want at least 10 comments that name code, got %d", file, len(found))
		}
		for _, match := range found {
			for _, part := range strings.Split(strings.ReplaceAll(match[1], "\n *", " "), ";") {
				words := strings.Fields(part)
				names[words[0]] = append(names[words[0]], words[1:]...)
			}
		}
	}
	return names
}

func models(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + "/docs/model/*.pml")
	if err != nil || len(files) != 2 {
		t.Fatalf("want two models in docs/model, got %q, %v", files, err)
	}
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// declared is what a package declares: names of functions, types, constants and variables,
// methods as Type.Method. ofGroup has the constants that stand in one declaration with each.
func declared(t *testing.T, pkg string) (names map[string]bool, ofGroup map[string][]string) {
	t.Helper()
	names, ofGroup = map[string]bool{}, map[string][]string{}
	files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("package %s: no Go files, %v", pkg, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, name := range namesOf(d) {
					names[name], ofGroup[name] = true, namesOf(d)
				}
			}
		}
	}
	return names, ofGroup
}

// receiver is "Type." of a method, "" of a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	for {
		switch outer := of.(type) {
		case *ast.StarExpr:
			of = outer.X
		case *ast.IndexExpr:
			of = outer.X
		case *ast.IndexListExpr:
			of = outer.X
		case *ast.Ident:
			return outer.Name + "."
		default:
			return ""
		}
	}
}

func namesOf(d *ast.GenDecl) (names []string) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			names = append(names, spec.Name.Name)
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

func TestWhatTheModelsNameIsInTheCode(t *testing.T) {
	for pkg, names := range named(t) {
		there, _ := declared(t, pkg)
		for _, name := range names {
			if !there[name] {
				t.Errorf("docs/model names %s of package %s, which has it not: hold the model against the code, and name what it is now", name, pkg)
			}
		}
	}
}

// What nodes may do with a batch, tell each other of clients, and know of one that joins:
// something new there has to be in the models.
func TestTheModelsNameAllThatTheCodeDecides(t *testing.T) {
	names := named(t)
	for _, of := range []struct {
		pkg, constant, prefix string
	}{
		{"replication/relay", "Drop", ""},
		{"channels/moving", "kindQuestion", "kind"},
		{"channels/resume", "Fresh", ""},
	} {
		_, ofGroup := declared(t, of.pkg)
		if len(ofGroup[of.constant]) < 3 {
			t.Fatalf("%s: constant %s: want others beside it, got %q", of.pkg, of.constant, ofGroup[of.constant])
		}
		has := map[string]bool{}
		for _, name := range names[of.pkg] {
			has[name] = true
		}
		for _, name := range ofGroup[of.constant] {
			if strings.HasPrefix(name, of.prefix) && !has[name] {
				t.Errorf("package %s has %s, which docs/model does not name", of.pkg, name)
			}
		}
	}
}

func TestEachInlineIsUsed(t *testing.T) {
	inline := regexp.MustCompile(`(?m)^inline (\w+)\(`)
	for _, file := range models(t) {
		text := read(t, file)
		for _, match := range inline.FindAllStringSubmatch(text, -1) {
			if calls := strings.Count(text, match[1]+"()"); calls < 2 {
				t.Errorf("%s: %s is called nowhere", file, match[1])
			}
		}
	}
}
