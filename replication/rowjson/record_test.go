package rowjson

import (
	"testing"

	"walcast/replication/wal"
)

func TestAppendRecordAndColumns(t *testing.T) {
	int4, text := wal.BuiltinTypeByName("int4"), wal.BuiltinTypeByName("_text")
	byHand := &wal.Relation{Columns: []wal.Column{{Name: "id", Type: int4}, {Name: `q"uo`, Type: text}, {Name: "n", Type: typeNamed(t, "posint")}}}
	row := wal.Row{{Text: "1", Kind: wal.Text}, {Text: "{a}", Kind: wal.Text}, {Kind: wal.Null}}
	for _, c := range []struct {
		name            string
		row             wal.Row
		include         []bool
		record, columns string
	}{
		{"all", row, nil, `{"id":1,"q\"uo":["a"],"n":null}`, `[{"name":"id","type":"int4"},{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
		{"some", row, []bool{false, true, true}, `{"q\"uo":["a"],"n":null}`, `[{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
		{"none", row, []bool{false, false, false}, `{}`, `[]`},
		{"absent values", wal.Row{{}, {Kind: wal.Null}, {}}, nil, `{"q\"uo":null}`, `[{"name":"id","type":"int4"},{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
		{"no row", nil, nil, `{}`, `[{"name":"id","type":"int4"},{"name":"q\"uo","type":"_text"},{"name":"n","type":"posint"}]`},
	} {
		for _, rel := range []*wal.Relation{byHand, wal.NewRelation(*byHand)} {
			if got := string(Encoding{}.AppendRecord(nil, rel, c.row, c.include)); got != c.record {
				t.Errorf("%s: AppendRecord = %s; want %s", c.name, got, c.record)
			}
			if got := string(Encoding{}.AppendColumns(nil, rel, c.include)); got != c.columns {
				t.Errorf("%s: AppendColumns = %s; want %s", c.name, got, c.columns)
			}
		}
	}
}

func TestAppendRecordAllocatesNothing(t *testing.T) {
	rel := wal.NewRelation(wal.Relation{Columns: []wal.Column{{Name: "id", Type: wal.BuiltinTypeByName("int8")}, {Name: "name", Type: wal.BuiltinTypeByName("text")}}})
	row := wal.Row{{Text: "1", Kind: wal.Text}, {Text: "a \"b\"", Kind: wal.Text}}
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(20, func() { Encoding{}.AppendRecord(dst, rel, row, nil) }); n > 0 {
		t.Errorf("AppendRecord makes %v allocations; want 0", n)
	}
}
