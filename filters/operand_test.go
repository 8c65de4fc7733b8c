package filters

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

func TestPathsLeadIntoDocuments(t *testing.T) {
	rel := wal.NewRelation(wal.Relation{OID: 1, Schema: "public", Table: "t", Columns: []wal.Column{
		{Name: "b", Type: builtin(3802, "jsonb")}, {Name: "j", Type: builtin(114, "json")}, {Name: "a->b", Type: builtin(25, "text")}, {Name: "i", Type: builtin(23, "int4")},
	}})
	const document = `{"a": {"b": "x\u0041", "n": null}, "list": [10, [20, 30], "s"], "a": {"b": "last"}, "": 5, "0": "zero", "deep": {"x": {"y": 1.50}}}`
	for _, c := range []struct {
		path, want string // "-" is NULL
	}{
		{"->>a", `{"b": "last"}`},
		{"->a->>b", "last"},
		{"->a->b", `"last"`},
		{"->a->>n", "-"},
		{"->list->0", "10"},
		{"->list->1->>-1", "30"},
		{"->list->>2", "s"},
		{"->list->3", "-"},
		{"->list->-4", "-"},
		{"->list->a", "-"},
		{"->none", "-"},
		{"->0", "-"},
		{"->>", "5"},
		{"->deep->x->y", "1.50"},
		{"->deep->>x", `{"y": 1.50}`},
	} {
		for i, column := range []string{"b", "j"} {
			o, err := newOperand(rel, column+c.path)
			if err != nil {
				t.Fatalf("newOperand(%s): %v", column+c.path, err)
			}
			row := rowOf("-", "-", "-", "-")
			row[i] = wal.Value{Kind: wal.Text, Text: document}
			text, kind := o.text(row)
			if want := (map[bool]wal.ValueKind{true: wal.Null, false: wal.Text})[c.want == "-"]; kind != want || kind == wal.Text && text != c.want {
				t.Errorf("%s%s = %q (kind %d); want %s", column, c.path, text, kind, c.want)
			}
		}
	}
	if o, err := newOperand(rel, "a->b"); err != nil || o.path != nil {
		t.Errorf("a column that looks like a path is read as one: %+v, %v", o, err)
	}
	for name, want := range map[string]string{
		"none":        "invalid column for filter none",
		"none->a":     "invalid column for filter none->a",
		"i->a":        "operator does not exist: integer -> unknown",
		"i->>a":       "operator does not exist: integer ->> unknown",
		"b->>a->>b":   "operator does not exist: text ->> unknown",
		"":            "invalid column for filter ",
		`"i"`:         `invalid column for filter "i"`,
		"I":           "invalid column for filter I",
		"b - > > a":   "invalid column for filter b - > > a",
		"\u00e4->>\n": "invalid column for filter \u00e4->>\n",
	} {
		_, err := newOperand(rel, name)
		var refused *BindError
		if !errors.As(err, &refused) || refused.Message != want {
			t.Errorf("newOperand(%q): %v; want %s", name, err, want)
		}
	}
}

func TestColumns(t *testing.T) {
	f, err := Parse("title=eq.a,id=gt.1,title=neq.b,data->>x=eq.1,none=eq.1,or=(room.eq.1,and(owner.is.null,id.eq.1))")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{2, 0, 7, 1, 4}, Columns(rooms(), f)); diff != "" {
		t.Errorf("Columns differ (-want +got):\n%s", diff)
	}
}
