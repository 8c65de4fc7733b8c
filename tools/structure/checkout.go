package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// checkout is a module in a folder, and what was counted in it.
type checkout struct {
	name       string
	types      []structType
	packages   map[string]size
	references map[string]references // by package
	functions  map[string]int        // lines of long ones, by package and name
	files      map[string]int        // lines of long ones, by path
}

// What is beyond these is listed.
const (
	manyFields   = 12
	manyFiles    = 4
	longFunction = 50
	longFile     = 400
)

// load reads and type-checks a module without its tests, and counts.
func load(name, folder string) (*checkout, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	loaded, err := packages.Load(&packages.Config{Dir: folder, Mode: packages.LoadSyntax | packages.NeedModule}, "./...")
	if err != nil {
		return nil, err
	}
	c := &checkout{name: name, packages: map[string]size{}, references: map[string]references{}, functions: map[string]int{}, files: map[string]int{}}
	for _, p := range loaded {
		for _, broken := range p.Errors {
			err = errors.Join(err, broken)
		}
		if p.Module == nil || err != nil {
			continue
		}
		short := strings.TrimPrefix(strings.TrimPrefix(p.PkgPath, p.Module.Path), "/")
		c.types = append(c.types, structTypes(p, short)...)
		if r := referencesOf(p); r.all > 0 {
			c.references[short] = r
		}
		c.addFunctions(p, short)
	}
	slices.SortFunc(c.types, func(a, b structType) int {
		return cmp.Or(cmp.Compare(b.fields+b.methods, a.fields+a.methods), cmp.Compare(a.name, b.name))
	})
	return c, errors.Join(err, c.addFiles(folder))
}

// typesWith are the types that have more of something than a limit.
func (c *checkout) typesWith(count func(structType) int, limit int) map[string]int {
	found := map[string]int{}
	for _, s := range c.types {
		if n := count(s); n > limit {
			found[s.name] = n
		}
	}
	return found
}

func (c *checkout) addFunctions(p *packages.Package, short string) {
	for _, f := range p.Syntax {
		if ast.IsGenerated(f) {
			continue
		}
		for _, d := range f.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := lines(p.Fset, d); n > longFunction {
				c.functions[short+"."+nameOf(d)] = n
			}
		}
	}
}

func lines(fset *token.FileSet, n ast.Node) int {
	return fset.Position(n.End()).Line - fset.Position(n.Pos()).Line + 1
}

// nameOf is a function's name, a method's with its type.
func nameOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	of := d.Recv.List[0].Type
	if star, ok := of.(*ast.StarExpr); ok {
		of = star.X
	}
	switch generic := of.(type) {
	case *ast.IndexExpr:
		of = generic.X
	case *ast.IndexListExpr:
		of = generic.X
	}
	return fmt.Sprint(of) + "." + d.Name.Name
}

// addFiles counts lines of all Go files, also of those that are for tests or
// for other systems.
func (c *checkout) addFiles(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != folder && foreign(path):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		code, generated := codeLines(text)
		if generated {
			return nil
		}
		short, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		test := strings.HasSuffix(path, "_test.go")
		of := filepath.ToSlash(filepath.Dir(short))
		s := c.packages[of]
		s.add(code, test)
		c.packages[of] = s
		if n := strings.Count(string(text), "\n"); n > longFile && !test {
			c.files[filepath.ToSlash(short)] = n
		}
		return nil
	})
}

// foreign is a folder that the go command leaves out too, or another module.
func foreign(path string) bool {
	base := filepath.Base(path)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return err == nil
}
