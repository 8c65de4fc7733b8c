package wal

import "sync"

// builtinRow is one row of builtinRows, which is made from a server's pg_type.
type builtinRow struct {
	oid       uint32
	name      string
	kind      TypeKind
	category  byte
	element   uint32
	delimiter byte
}

// builtinTypes are Postgres' own types by OID and by name: those with OIDs
// under 10,000, which are the same on every server. What lies above, the
// information_schema's domains included, is asked of the catalog.
type builtinTypes struct {
	oid  map[uint32]*Type
	name map[string]*Type
}

// builtins never change: every relation of every project shares them.
var builtins = sync.OnceValue(func() builtinTypes {
	b := builtinTypes{make(map[uint32]*Type), make(map[string]*Type)}
	rows := builtinRows()
	for _, r := range rows {
		t := &Type{OID: r.oid, Schema: "pg_catalog", Name: r.name, Kind: r.kind, Category: r.category, Delimiter: r.delimiter}
		b.oid[r.oid], b.name[r.name] = t, t
	}
	for _, r := range rows {
		b.oid[r.oid].Element = b.oid[r.element]
	}
	return b
})

// BuiltinType is the built-in type of an OID, or nil.
func BuiltinType(oid uint32) *Type { return builtins().oid[oid] }

// BuiltinTypeByName is the built-in type of a pg_type.typname, or nil.
func BuiltinTypeByName(name string) *Type { return builtins().name[name] }

// UnknownType stands for what cannot be told: its values are text.
func UnknownType(oid uint32) *Type {
	return &Type{OID: oid, Name: "unknown", Kind: KindUnknown, Category: 'X', Delimiter: ','}
}
