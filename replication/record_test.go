package replication

import "testing"

func TestAppendRecordAndColumns(t *testing.T) {
	int4, text := builtinTypeByName("int4"), builtinTypeByName("_text")
	byHand := &Relation{Columns: []Column{{Name: "id", Type: int4}, {Name: `q"uo`, Type: text}, {Name: "n", Type: typeNamed(t, "posint")}}}
	row := Row{{Text: "1", Kind: Text}, {Text: "{a}", Kind: Text}, {Kind: Null}}
	for _, c := range []struct {
		name            string
		row             Row
		include         []bool
		record, columns string
	}{
		{"all", row, nil, `{"id":1,"q\"uo":["a"],"n":null}`, `[{"name":"id","type":"int4"},{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
		{"some", row, []bool{false, true, true}, `{"q\"uo":["a"],"n":null}`, `[{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
		{"none", row, []bool{false, false, false}, `{}`, `[]`},
		{"absent values", Row{{}, {Kind: Null}, {}}, nil, `{"q\"uo":null}`, `[{"name":"id","type":"int4"},{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
		{"no row", nil, nil, `{}`, `[{"name":"id","type":"int4"},{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
	} {
		for _, rel := range []*Relation{byHand, NewRelation(*byHand)} {
			if got := string(AppendRecord(nil, rel, c.row, c.include)); got != c.record {
				t.Errorf("%s: AppendRecord = %s; want %s", c.name, got, c.record)
			}
			if got := string(AppendColumns(nil, rel, c.include)); got != c.columns {
				t.Errorf("%s: AppendColumns = %s; want %s", c.name, got, c.columns)
			}
		}
	}
}

func TestAppendRecordAllocatesNothing(t *testing.T) {
	rel := NewRelation(Relation{Columns: []Column{{Name: "id", Type: builtinTypeByName("int8")}, {Name: "name", Type: builtinTypeByName("text")}}})
	row := Row{{Text: "1", Kind: Text}, {Text: "a \"b\"", Kind: Text}}
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(20, func() { AppendRecord(dst, rel, row, nil) }); n > 0 {
		t.Errorf("AppendRecord makes %v allocations; want 0", n)
	}
}
