package filters

import (
	"strings"

	"walcast/replication/wal"
)

// OIDs of built-in types that conditions treat in their own way.
const (
	oidBool    = 16
	oidBytea   = 17
	oidName    = 19
	oidText    = 25
	oidJSON    = 114
	oidBpchar  = 1042
	oidVarchar = 1043
	oidJSONB   = 3802
)

// textType returns the type of what ->> finds.
func textType() *wal.Type {
	return &wal.Type{OID: oidText, Schema: "pg_catalog", Name: "text", Kind: wal.KindBase, Category: 'S'}
}

// typeName returns the name that format_type gives a type, such as integer for
// int4. The name of a type outside pg_catalog and public includes the schema, which
// is not on the search path.
func typeName(t *wal.Type) string {
	if t.Kind == wal.KindArray && t.Element != nil {
		return typeName(t.Element) + "[]"
	}
	if t.Schema == "pg_catalog" {
		if name := longName(t.Name); name != "" {
			return name
		}
		return t.Name
	}
	name := quoteIdentifier(t.Name)
	if t.Schema != "public" {
		name = quoteIdentifier(t.Schema) + "." + name
	}
	return name
}

// longName returns the SQL standard's name of a type, or "" if there is none.
func longName(name string) string {
	switch name {
	case "bool":
		return "boolean"
	case "int2":
		return "smallint"
	case "int4":
		return "integer"
	case "int8":
		return "bigint"
	case "float4":
		return "real"
	case "float8":
		return "double precision"
	case "bpchar":
		return "character"
	case "varchar":
		return "character varying"
	case "varbit":
		return "bit varying"
	case "time":
		return "time without time zone"
	case "timetz":
		return "time with time zone"
	case "timestamp":
		return "timestamp without time zone"
	case "timestamptz":
		return "timestamp with time zone"
	case "char":
		return `"char"`
	}
	return ""
}

// quoteIdentifier quotes an identifier that is not plain lower case, as format_type
// does; the driver's function always quotes, and this package does not import the
// driver. Keywords are not quoted: the name is for texts that clients read, never
// for SQL.
func quoteIdentifier(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" && (s[0] < '0' || s[0] > '9')
	if plain {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}
