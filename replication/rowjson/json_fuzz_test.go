package rowjson

import (
	"encoding/json"
	"testing"
)

// FuzzAppendValue holds that a text that is of no use for its type still makes
// a valid frame. JSON columns are the exception: Postgres has checked them.
func FuzzAppendValue(f *testing.F) {
	names := []string{
		"text", "bool", "int8", "float8", "bytea", "timestamp", "timestamptz", "_int4", "_text", "_box",
		"int2vector", "pair", "_pair", "nested", "hstore", "posints", "_bytea", "unknown",
	}
	for i, text := range []string{
		"a", "t", "-1", "1e+5", `\x00`, "2024-01-01 00:00:00 BC", "2024-01-01 00:00:00+00", "[0:1]={1,2}", `{"a\"",NULL}`,
		"{(1,1),(0,0);(2,2),(1,1)}", "1 2", `(1,"a""b")`, `{"(1,\"a\")"}`, `("{""(1,x)""}",,)`, `"a"=>"1", "b"=>NULL`, "{1}", `{"\\x"}`, "\xff",
	} {
		f.Add(uint8(i), text)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		typ := typeNamed(t, names[int(which)%len(names)])
		got := Encoding{}.AppendValue(nil, typ, text)
		if !json.Valid(got) {
			t.Errorf("AppendValue(%s, %q) = %s, which is not JSON", typ.Name, text, got)
		}
		if len(got) > 100+20*len(text) {
			t.Errorf("AppendValue(%s, %q) is of %d bytes", typ.Name, text, len(got))
		}
	})
}
