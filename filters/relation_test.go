package filters

import (
	"walcast/replication/wal"
)

// Types of the built-in kind for tests without a server.
func builtin(oid uint32, name string) *wal.Type {
	return &wal.Type{OID: oid, Schema: "pg_catalog", Name: name, Kind: wal.KindBase}
}

func arrayOf(oid uint32, element *wal.Type) *wal.Type {
	return &wal.Type{OID: oid, Schema: "pg_catalog", Name: "_" + element.Name, Kind: wal.KindArray, Category: 'A', Element: element, Delimiter: ','}
}

// rooms is a table with a column of most kinds.
func rooms() *wal.Relation {
	mood := &wal.Type{OID: 16500, Schema: "public", Name: "mood", Kind: wal.KindEnum, Category: 'E', Labels: []string{"sad", "ok", "happy"}}
	return wal.NewRelation(wal.Relation{
		OID: 16400, Schema: "public", Table: "rooms", ReplicaIdentity: wal.IdentityFull,
		Columns: []wal.Column{
			{Name: "id", Type: builtin(23, "int4"), Modifier: -1, Identity: true, Key: true},
			{Name: "room", Type: builtin(20, "int8"), Modifier: -1, Identity: true},
			{Name: "title", Type: builtin(25, "text"), Modifier: -1, Identity: true},
			{Name: "price", Type: builtin(1700, "numeric"), Modifier: -1, Identity: true},
			{Name: "owner", Type: builtin(2950, "uuid"), Modifier: -1, Identity: true},
			{Name: "open", Type: builtin(16, "bool"), Modifier: -1, Identity: true},
			{Name: "mood", Type: mood, Modifier: -1, Identity: true},
			{Name: "data", Type: builtin(3802, "jsonb"), Modifier: -1, Identity: true},
			{Name: "tags", Type: arrayOf(1009, builtin(25, "text")), Modifier: -1, Identity: true},
			{Name: "shape", Type: builtin(600, "point"), Modifier: -1, Identity: true},
		},
	})
}

// rowOf makes a row of texts; "-" is NULL and "?" is absent.
func rowOf(texts ...string) wal.Row {
	row := make(wal.Row, len(texts))
	for i, s := range texts {
		switch s {
		case "-":
			row[i].Kind = wal.Null
		case "?":
		default:
			row[i] = wal.Value{Kind: wal.Text, Text: s}
		}
	}
	return row
}

// utc is a locale in which Go is certain of most.
func utc() Locale { return Locale{Collate: "C", Ctype: "C", TimeZone: "UTC"} }
