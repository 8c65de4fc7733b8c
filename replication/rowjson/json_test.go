package rowjson

import (
	"encoding/json"
	"testing"

	"walcast/replication/wal"
)

// typeNamed is a built-in type, or one that the tests need.
func typeNamed(t testing.TB, name string) *wal.Type {
	t.Helper()
	if b := wal.BuiltinTypeByName(name); b != nil {
		return b
	}
	int4, text := wal.BuiltinTypeByName("int4"), wal.BuiltinTypeByName("text")
	pair := &wal.Type{OID: 20010, Name: "pair", Kind: wal.KindComposite, Fields: []wal.Field{{Name: "a", Type: int4}, {Name: `b"`, Type: text}}}
	custom := map[string]*wal.Type{
		"posint":  {OID: 20011, Name: "posint", Kind: wal.KindDomain, Base: int4},
		"hash":    {OID: 20012, Name: "hash", Kind: wal.KindDomain, Base: wal.BuiltinTypeByName("bytea")},
		"mood":    {OID: 20013, Name: "mood", Kind: wal.KindEnum},
		"hstore":  {OID: 20014, Name: "hstore", Kind: wal.KindBase, Category: 'U'},
		"pair":    pair,
		"_pair":   {OID: 20015, Name: "_pair", Kind: wal.KindArray, Element: pair, Delimiter: ','},
		"unknown": wal.UnknownType(20016),
	}
	custom["_posint"] = &wal.Type{OID: 20017, Name: "_posint", Kind: wal.KindArray, Element: custom["posint"]}
	custom["posints"] = &wal.Type{OID: 20018, Name: "posints", Kind: wal.KindDomain, Base: custom["_posint"]}
	custom["nested"] = &wal.Type{OID: 20019, Name: "nested", Kind: wal.KindComposite, Fields: []wal.Field{
		{Name: "pairs", Type: custom["_pair"]}, {Name: "at", Type: wal.BuiltinTypeByName("timestamptz")}, {Name: "raw", Type: wal.BuiltinTypeByName("bytea")},
	}}
	custom["empty"] = &wal.Type{OID: 20020, Name: "empty", Kind: wal.KindComposite}
	if custom[name] == nil {
		t.Fatalf("no type %s", name)
	}
	return custom[name]
}

func TestAppendValue(t *testing.T) {
	for _, c := range []struct{ typ, text, want string }{
		{"bool", "t", `true`},
		{"bool", "f", `false`},
		{"int2", "-32768", `-32768`},
		{"int8", "9223372036854775807", `9223372036854775807`},
		{"numeric", "12345678901234567890.1234567890", `12345678901234567890.1234567890`},
		{"numeric", "NaN", `"NaN"`},
		{"numeric", "-Infinity", `"-Infinity"`},
		{"float4", "1e-07", `1e-07`},
		{"float8", "1e+300", `1e+300`},
		{"float8", "-0", `-0`},
		{"float8", "Infinity", `"Infinity"`},
		{"money", "$12.34", `"$12.34"`},
		{"oid", "4294967295", `"4294967295"`},
		{"regclass", "pg_class", `"pg_class"`},
		{"text", "", `""`},
		{"text", "plain ünï 😀", `"plain ünï 😀"`},
		{"text", "q\"uo'te \\ \b\f\n\r\t\x01\x1f\x7f\u2028</script>", "\"q\\\"uo'te \\\\ \\u0008\\u000c\\n\\r\\t\\u0001\\u001f\x7f\u2028</script>\""},
		{"text", "not \xff\xc3 UTF-8 \xe2\x98", "\"not \ufffd\ufffd UTF-8 \ufffd\ufffd\""},
		{"bpchar", "ab   ", `"ab   "`},
		{"bit", "101", `"101"`},
		{"bytea", `\x00ff10`, `"00ff10"`},
		{"bytea", `\x`, `""`},
		{"_bytea", `{"\\x01ff",NULL}`, `["\\x01ff",null]`},
		{"hash", `\xdead`, `"dead"`},
		{"json", "{\"b\": 1,\n\t\"a\":  [1,2.50], \"ü\": \"\\n\"}", `{"b": 1,  "a":  [1,2.50], "ü": "\n"}`},
		{"json", "\"\xff\"", "\"\ufffd\""},
		{"jsonb", "null", `null`},
		{"_jsonb", `{"{\"a\": 1}","null","\"s\"",NULL}`, `[{"a": 1},null,"s",null]`},
		{"date", "2024-02-03", `"2024-02-03"`},
		{"date", "0044-03-15 BC", `"0044-03-15 BC"`},
		{"time", "24:00:00", `"24:00:00"`},
		{"timetz", "04:05:06+02", `"04:05:06+02"`},
		{"timestamp", "2024-02-03 04:05:06.789", `"2024-02-03T04:05:06.789"`},
		{"timestamp", "0044-03-15 01:02:03 BC", `"0044-03-15T01:02:03 BC"`},
		{"timestamp", "-infinity", `"-infinity"`},
		{"timestamptz", "2024-02-03 04:05:06.789+00", `"2024-02-03T04:05:06.789+00:00"`},
		{"timestamptz", "2024-02-03 04:05:06+05:30", `"2024-02-03T04:05:06+05:30"`},
		{"timestamptz", "0044-03-15 00:00:00-07 BC", `"0044-03-15T00:00:00-07:00 BC"`},
		{"timestamptz", "infinity", `"infinity"`},
		{"interval", "1 year 2 days 03:00:00", `"1 year 2 days 03:00:00"`},
		{"uuid", "00000000-0000-4000-8000-000000000001", `"00000000-0000-4000-8000-000000000001"`},
		{"int4range", "[1,6)", `"[1,6)"`},
		{"int4multirange", "{[1,3),[5,7)}", `"{[1,3),[5,7)}"`},
		{"point", "(1.5,-2)", `"(1.5,-2)"`},
		{"xml", `<a b="1"/>`, `"<a b=\"1\"/>"`},
		{"mood", "happy", `"happy"`},
		{"unknown", "17", `"17"`},
		{"posint", "7", `7`},
		{"posints", "{7,NULL}", `[7,null]`},
		{"_int4", "{}", `[]`},
		{"_int4", "{1,NULL,3}", `[1,null,3]`},
		{"_int4", "{{1,2},{3,4}}", `[[1,2],[3,4]]`},
		{"_int4", "[0:1]={7,8}", `[7,8]`},
		{"_int4", "[-1:0][2:3]={{1,2},{3,4}}", `[[1,2],[3,4]]`},
		{"_text", `{"a b","q\"x\\",NULL,"NULL","",ü,"{}"}`, `["a b","q\"x\\",null,"NULL","","ü","{}"]`},
		{"_timestamptz", `{"2024-02-03 04:05:06+00",infinity}`, `["2024-02-03T04:05:06+00:00","infinity"]`},
		{"_box", "{(1,1),(0,0);(2,2),(1,1)}", `["(1,1),(0,0)","(2,2),(1,1)"]`},
		{"_numeric", "{1.50,NaN}", `[1.50,"NaN"]`},
		{"_oid", "{1}", `["1"]`},
		{"_name", "{a,b}", `["a","b"]`},
		{"int2vector", "1 -2 3", `[1,-2,3]`},
		{"oidvector", "", `[]`},
		{"pair", `(1,"a,b (c) ""d"" \\")`, `{"a":1,"b\"":"a,b (c) \"d\" \\"}`},
		{"pair", `(,)`, `{"a":null,"b\"":null}`},
		{"pair", `(,"")`, `{"a":null,"b\"":""}`},
		{"empty", `()`, `{}`},
		{"_pair", `{"(1,\"a\"\"b\")",NULL,"(,)"}`, `[{"a":1,"b\"":"a\"b"},null,{"a":null,"b\"":null}]`},
		{"nested", `("{""(1,x)"",NULL}","2024-01-01 00:00:00+00","\\x01")`, `{"pairs":[{"a":1,"b\"":"x"},null],"at":"2024-01-01T00:00:00+00:00","raw":"\\x01"}`},
		{"hstore", `"a"=>"1", "b c"=>NULL, "q\"\\"=>"NULL"`, `{"a":"1","b c":null,"q\"\\":"NULL"}`},
		{"hstore", ``, `{}`},

		// What is not as the type promises stays readable, and JSON.
		{"bool", "yes", `"yes"`},
		{"int4", "+1", `"+1"`},
		{"int4", "", `""`},
		{"int4", "-", `"-"`},
		{"int4", "007", `"007"`},
		{"float8", "1.", `"1."`},
		{"float8", "1e", `"1e"`},
		{"float8", "1e+5x", `"1e+5x"`},
		{"_int4", "{1,2", `"{1,2"`},
		{"_int4", "{1,2}}", `"{1,2}}"`},
		{"_int4", "{1,}", `"{1,}"`},
		{"_int4", "{1;2}", `["1;2"]`},
		{"_int4", "{{{{{{{1}}}}}}}", `"{{{{{{{1}}}}}}}"`},
		{"_text", `{"a}`, `"{\"a}"`},
		{"_text", `{"a"b}`, `"{\"a\"b}"`},
		{"_text", `[0:1]`, `"[0:1]"`},
		{"pair", `(1)`, `"(1)"`},
		{"pair", `(1,2,3)`, `"(1,2,3)"`},
		{"pair", `(1,"2)`, `"(1,\"2)"`},
		{"pair", `1,2`, `"1,2"`},
		{"hstore", `"a"=>`, `"\"a\"=>"`},
		{"hstore", `a=>1`, `"a=>1"`},
		{"hstore", `"a"=>"1`, `"\"a\"=>\"1"`},
	} {
		got := string(Encoding{}.AppendValue([]byte("before:"), typeNamed(t, c.typ), c.text))
		if got != "before:"+c.want {
			t.Errorf("AppendValue(%s, %q) = %s; want %s", c.typ, c.text, got, c.want)
		}
		if !json.Valid([]byte(got[len("before:"):])) {
			t.Errorf("AppendValue(%s, %q) = %s, which is not JSON", c.typ, c.text, got)
		}
	}
}

func TestEncodingWithStringsIsExactInJavaScript(t *testing.T) {
	e := Encoding{Strings: true}
	for _, c := range []struct{ typ, text, want string }{
		{"int8", "9223372036854775807", `"9223372036854775807"`},
		{"numeric", "1.50", `"1.50"`},
		{"int4", "7", `7`},
		{"float8", "1.5", `1.5`},
		{"_int8", "{1,NULL}", `["1",null]`},
	} {
		if got := string(e.AppendValue(nil, typeNamed(t, c.typ), c.text)); got != c.want {
			t.Errorf("AppendValue(%s, %q) = %s; want %s", c.typ, c.text, got, c.want)
		}
	}
}

func TestAppendValueAllocatesNothingForScalars(t *testing.T) {
	dst := make([]byte, 0, 1024)
	for _, c := range []struct{ typ, text string }{
		{"int8", "9223372036854775807"},
		{"text", "a \"quoted\" ünï"},
		{"timestamptz", "2024-02-03 04:05:06+00"},
		{"bytea", `\x00`},
		{"jsonb", `{"a": 1}`},
		{"_int4", "{1,2}"},
		{"_text", `{"a b",c}`},
	} {
		typ := typeNamed(t, c.typ)
		if n := testing.AllocsPerRun(20, func() { Encoding{}.AppendValue(dst, typ, c.text) }); n > 0 && c.typ[0] != '_' {
			t.Errorf("AppendValue(%s) makes %v allocations; want 0", c.typ, n)
		}
	}
}

// TestEncodingWithStringsCallsThemText: a stock client makes a number of what is
// called int8, string or not.
func TestEncodingWithStringsCallsThemText(t *testing.T) {
	var rel wal.Relation
	for _, name := range []string{"int8", "numeric", "int4", "_int8", "oid"} {
		rel.Columns = append(rel.Columns, wal.Column{Name: name, Type: wal.BuiltinTypeByName(name)})
	}
	want := `[{"name":"int8","type":"text"},{"name":"numeric","type":"text"},{"name":"int4","type":"int4"},{"name":"_int8","type":"_int8"},{"name":"oid","type":"oid"}]`
	if got := string(Encoding{Strings: true}.AppendColumns(nil, wal.NewRelation(rel), nil)); got != want {
		t.Errorf("AppendColumns = %s; want %s", got, want)
	}
}
