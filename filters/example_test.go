package filters_test

import (
	"fmt"

	"walcast/filters"
	"walcast/replication"
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
	integer := &replication.Type{OID: 23, Schema: "pg_catalog", Name: "int4", Kind: replication.KindBase}
	messages := replication.NewRelation(replication.Relation{
		OID: 16384, Schema: "public", Table: "messages",
		Columns: []replication.Column{{Name: "room", Type: integer}},
	})
	ix := filters.NewIndex[string](filters.Locale{Collate: "C", Ctype: "C", TimeZone: "UTC"})
	for name, text := range map[string]string{"anna": "room=eq.1", "ben": "room=eq.2", "cleo": "room=lt.10"} {
		f, err := filters.Parse(text)
		if err != nil {
			panic(err)
		}
		ix.Add(filters.Selector{Events: filters.Events(replication.Insert), Schema: "public", Table: "messages", Filter: f}, name)
	}
	ix.Match(&replication.Change{
		Operation: replication.Insert,
		Relation:  messages,
		New:       replication.Row{{Kind: replication.Text, Text: "2"}},
	}, func(name string) { fmt.Println(name) })
	// Unordered output:
	// ben
	// cleo
}
