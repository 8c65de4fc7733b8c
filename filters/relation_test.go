package filters

import (
	"walcast/replication"
)

// Types of the built-in kind for tests without a server.
func builtin(oid uint32, name string) *replication.Type {
	return &replication.Type{OID: oid, Schema: "pg_catalog", Name: name, Kind: replication.KindBase}
}

func arrayOf(oid uint32, element *replication.Type) *replication.Type {
	return &replication.Type{OID: oid, Schema: "pg_catalog", Name: "_" + element.Name, Kind: replication.KindArray, Category: 'A', Element: element, Delimiter: ','}
}

// rooms is a table with a column of most kinds.
func rooms() *replication.Relation {
	mood := &replication.Type{OID: 16500, Schema: "public", Name: "mood", Kind: replication.KindEnum, Category: 'E', Labels: []string{"sad", "ok", "happy"}}
	return replication.NewRelation(replication.Relation{
		OID: 16400, Schema: "public", Table: "rooms", ReplicaIdentity: replication.IdentityFull,
		Columns: []replication.Column{
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
func rowOf(texts ...string) replication.Row {
	row := make(replication.Row, len(texts))
	for i, s := range texts {
		switch s {
		case "-":
			row[i].Kind = replication.Null
		case "?":
		default:
			row[i] = replication.Value{Kind: replication.Text, Text: s}
		}
	}
	return row
}

// utc is a locale in which Go is certain of most.
func utc() Locale { return Locale{Collate: "C", Ctype: "C", TimeZone: "UTC"} }
