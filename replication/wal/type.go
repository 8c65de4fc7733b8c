package wal

import (
	"iter"
	"slices"
)

// TypeKind is pg_type.typtype, with arrays told apart.
type TypeKind byte

// The kinds of type.
const (
	KindBase       TypeKind = 'b'
	KindArray      TypeKind = 'A' // typcategory A with an element type
	KindComposite  TypeKind = 'c'
	KindDomain     TypeKind = 'd'
	KindEnum       TypeKind = 'e'
	KindRange      TypeKind = 'r'
	KindMultirange TypeKind = 'm'
	KindUnknown    TypeKind = '?' // the catalog could not tell; treated as text
)

// Type is a Postgres data type as far as reading its text output needs it. It
// is immutable.
type Type struct {
	OID          uint32
	Schema, Name string // Name is pg_type.typname: int4, _text, my_enum
	Kind         TypeKind
	Category     byte // pg_type.typcategory

	Element   *Type    // arrays: the element type; ranges: the subtype
	Delimiter byte     // arrays: ',' but for box ';'
	Base      *Type    // domains: the type underneath, which may be a domain
	Labels    []string // enums: in sort order
	Fields    []Field  // composites: in attribute order
}

// Field is one attribute of a composite type.
type Field struct {
	Name string
	Type *Type
}

// Underlying follows domains down to what they are made of.
func (t *Type) Underlying() *Type {
	for t.Kind == KindDomain && t.Base != nil {
		t = t.Base
	}
	return t
}

// Parts are the type and all that it is made of.
func (t *Type) Parts() iter.Seq[*Type] {
	return func(yield func(*Type) bool) { t.visit(map[*Type]bool{}, yield) }
}

// visit is false when yield was.
func (t *Type) visit(seen map[*Type]bool, yield func(*Type) bool) bool {
	if t == nil || seen[t] {
		return true
	}
	seen[t] = true
	if !yield(t) || !t.Element.visit(seen, yield) || !t.Base.visit(seen, yield) {
		return false
	}
	for _, f := range t.Fields {
		if !f.Type.visit(seen, yield) {
			return false
		}
	}
	return true
}

// same reports whether values of both types read the same.
func (t *Type) same(o *Type) bool {
	if t == o {
		return true
	}
	if t == nil || o == nil || t.OID != o.OID || t.Schema != o.Schema || t.Name != o.Name || t.Kind != o.Kind ||
		!slices.Equal(t.Labels, o.Labels) || len(t.Fields) != len(o.Fields) {
		return false
	}
	for i, f := range t.Fields {
		if f.Name != o.Fields[i].Name || !f.Type.same(o.Fields[i].Type) {
			return false
		}
	}
	return t.Element.same(o.Element) && t.Base.same(o.Base)
}
