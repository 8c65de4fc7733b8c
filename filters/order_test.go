package filters

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

func TestOrdersAreReadAsPostgRESTWritesThem(t *testing.T) {
	for text, want := range map[string]Order{
		"":                              nil,
		"id":                            {{Column: "id"}},
		"created_at.desc,id.asc":        {{Column: "created_at", Descending: true}, {Column: "id"}},
		"a.desc.nullslast, b":           {{Column: "a", Descending: true, Nulls: "last"}, {Column: "b"}},
		"a.nullsfirst":                  {{Column: "a", Nulls: "first"}},
		`"a.b,c""`:                      nil,
		`"a.b,\"c".asc`:                 {{Column: `a.b,"c`}},
		"doc->>name.desc":               {{Column: "doc->>name", Descending: true}},
		"A b.asc":                       {{Column: "A b"}},
		"a.up":                          nil,
		"a.":                            nil,
		"a.asc.":                        nil,
		"a.asc.first":                   nil,
		"a.nullsfirst.asc":              nil,
		",a":                            nil,
		"a,":                            nil,
		"a,,b":                          nil,
		".asc":                          nil,
		"rel(a).asc":                    nil,
		`"a`:                            nil,
		`"a"b.asc`:                      nil,
		"a\x00":                         nil,
		strings.Repeat("a", 9000):       nil,
		strings.Repeat("a,", 100) + "a": nil,
	} {
		got, err := ParseOrder(text)
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (want == nil && text != "") {
			t.Errorf("ParseOrder(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestOrdersInSQL(t *testing.T) {
	rel := &wal.Relation{Columns: []wal.Column{{Name: "id", Type: wal.BuiltinTypeByName("int4")}, {Name: "doc", Type: wal.BuiltinTypeByName("jsonb")}}}
	order, err := ParseOrder("doc->>a.desc.nullslast,id")
	if err != nil {
		t.Fatal(err)
	}
	want := `(t."doc" operator(pg_catalog.->>) 'a'::pg_catalog.text) desc nulls last, t."id"`
	if got, err := order.SQL(rel); err != nil || got != want {
		t.Errorf("SQL = %s, %v; want %s", got, err, want)
	}
	if _, err := (Order{{Column: "none"}}).SQL(rel); err == nil {
		t.Error("SQL of a column that there is none of = nil; want an error")
	}
	if got := Columns(rel, order.Filter()); !cmp.Equal(got, []int{1, 0}) {
		t.Errorf("the order reads the columns %v; want 1, 0", got)
	}
}

func FuzzParseOrder(f *testing.F) {
	f.Add("created_at.desc.nullslast,id")
	f.Add(`"a.b".asc`)
	f.Fuzz(func(t *testing.T, s string) {
		order, err := ParseOrder(s)
		if err == nil && s != "" && len(order) == 0 {
			t.Errorf("ParseOrder(%q) has no columns", s)
		}
		for _, term := range order {
			if term.Column == "" {
				t.Errorf("ParseOrder(%q) has a column without a name", s)
			}
		}
	})
}
