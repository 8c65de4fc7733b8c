package main

import (
	"go/types"

	"golang.org/x/tools/go/packages"
)

// structType is a struct type of a package.
type structType struct {
	name     string // with its package
	fields   int
	embedded int // fields that come with embedded structs of the same module
	methods  int
	files    int // that declare a method
}

func structTypes(p *packages.Package, short string) (all []structType) {
	scope := p.Types.Scope()
	for _, name := range scope.Names() {
		named, ok := scope.Lookup(name).Type().(*types.Named)
		if !ok || named.Obj().Name() != name || named.Obj().Pkg() != p.Types {
			continue // no type, or an alias
		}
		s, ok := named.Underlying().(*types.Struct)
		if !ok {
			continue
		}
		files := map[string]bool{}
		for m := range named.Methods() {
			files[p.Fset.Position(m.Pos()).Filename] = true
		}
		all = append(all, structType{
			name: short + "." + name, fields: s.NumFields(), embedded: embeddedFields(s, p.Module.Path),
			methods: named.NumMethods(), files: len(files),
		})
	}
	return all
}

// embeddedFields counts the fields that a struct has by embedding structs of a
// module.
func embeddedFields(s *types.Struct, module string) (n int) {
	for f := range s.Fields() {
		if !f.Embedded() {
			continue
		}
		of := f.Type()
		if pointer, ok := of.(*types.Pointer); ok {
			of = pointer.Elem()
		}
		named, ok := of.(*types.Named)
		if !ok || named.Obj().Pkg() == nil || !within(named.Obj().Pkg().Path(), module) {
			continue
		}
		if inner, ok := named.Underlying().(*types.Struct); ok {
			n += inner.NumFields() + embeddedFields(inner, module)
		}
	}
	return n
}
