package filters_test

import (
	"fmt"

	"walcast/filters"
	"walcast/replication/wal"
)

func ExampleParse() {
	f, err := filters.Parse(`price=gte.10,status=not.in.(draft,"sold out")`)
	fmt.Println(err)
	for _, c := range f {
		fmt.Println(c.Column, c.Op, c.Value, c.Negate)
	}
	// Output:
	// <nil>
	// price gte 10 false
	// status in {draft,"sold out"} true
}

func ExampleIndex() {
	integer := &wal.Type{OID: 23, Schema: "pg_catalog", Name: "int4", Kind: wal.KindBase}
	messages := wal.NewRelation(wal.Relation{
		OID: 16384, Schema: "public", Table: "messages",
		Columns: []wal.Column{{Name: "room", Type: integer}},
	})
	ix := filters.NewIndex[string](filters.Locale{Collate: "C", Ctype: "C", TimeZone: "UTC"})
	for name, text := range map[string]string{"anna": "room=eq.1", "ben": "room=eq.2", "cleo": "room=lt.10"} {
		f, err := filters.Parse(text)
		if err != nil {
			panic(err)
		}
		ix.Add(filters.Selector{Events: filters.Events(wal.Insert), Schema: "public", Table: "messages", Filter: f}, name)
	}
	ix.Match(&wal.Change{
		Operation: wal.Insert,
		Relation:  messages,
		New:       wal.Row{{Kind: wal.Text, Text: "2"}},
	}, func(name string, _ filters.Truth) { fmt.Println(name) })
	// Unordered output:
	// ben
	// cleo
}
