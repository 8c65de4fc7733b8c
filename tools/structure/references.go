package main

import (
	"go/types"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// references are those between the files of a package; the file's own are not
// counted.
type references struct {
	all      int
	back     int // to an earlier file
	circular int // to a file that refers back, directly or by others
}

func within(path, module string) bool {
	return path == module || strings.HasPrefix(path, module+"/")
}

func referencesOf(p *packages.Package) references {
	var files []string
	for _, f := range p.Syntax {
		files = append(files, p.Fset.Position(f.Pos()).Filename)
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	g := newGraph(len(files))
	for ident, object := range p.TypesInfo.Uses {
		object = origin(object)
		if object.Pkg() != p.Types || !declared(object) {
			continue
		}
		from := slices.Index(files, p.Fset.Position(ident.Pos()).Filename)
		to := slices.Index(files, p.Fset.Position(object.Pos()).Filename)
		if from >= 0 && to >= 0 {
			g.add(from, to)
		}
	}
	return references{all: g.total(), back: g.back(g.order()), circular: g.circular()}
}

// origin is what an instance of something generic was made of.
func origin(object types.Object) types.Object {
	switch object := object.(type) {
	case *types.Func:
		return object.Origin()
	case *types.Var:
		return object.Origin()
	}
	return object
}

// declared says whether an object is declared by a package: not a local name,
// a parameter, a label or an import.
func declared(object types.Object) bool {
	switch object := object.(type) {
	case *types.Var:
		return object.IsField() || object.Parent() == object.Pkg().Scope()
	case *types.Func:
		return true
	case *types.TypeName, *types.Const:
		return object.Parent() == object.Pkg().Scope()
	}
	return false
}
