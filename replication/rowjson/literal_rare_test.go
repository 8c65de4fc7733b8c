package rowjson

import (
	"testing"

	"pgregory.net/rapid"

	"walcast/internal/devdb"
)

// rareLiterals are values of the built-in types that few tables have.
func rareLiterals() []literal {
	some := func(values ...string) *rapid.Generator[string] { return rapid.SampledFrom(values) }
	dates := func(open, shut string) *rapid.Generator[string] {
		return join(some("[", "("), some("2024-01-31", "2024-02-29", ""), rapid.Just(","), some("2024-03-01"+open, "infinity", ""), some(shut, ")"))
	}
	plain := func(span *rapid.Generator[string]) *rapid.Generator[string] { // {[1,2)}, or nothing
		return rapid.OneOf(join(rapid.Just("{"), span, rapid.Just("}")), rapid.Just("{}"))
	}
	int8s := rapid.StringMatching(`[\[(]-?[1-9],[1-9][0-9]{9}[\])]|empty`)
	nums := rapid.StringMatching(`[\[(]-?[1-9]\.50?,[1-9][0-9]{9}(\.1)?[\])]|empty`)
	day, moment, instant := dates("", "]"), dates(" 04:05:06.7", "]"), dates(" 04:05:06.7+02", "]")
	return []literal{
		{"cidr", rapid.StringMatching(`10\.[0-9]{1,2}\.0\.0/16|fe80::/64`)},
		{"macaddr8", rapid.StringMatching(`[0-9a-f]{2}(:[0-9a-f]{2}){7}`)},
		{"line", rapid.StringMatching(`\{[1-9],-?[1-9],[0-9]\.5\}`)},
		{"lseg", rapid.StringMatching(`\[\([1-9],2\),\(3,[1-9]\)\]`)},
		{"path", rapid.StringMatching(`\[\(1,[1-9]\),\(3,4\)\]|\(\(1,2\),\(3,4\)\)`)},
		{"polygon", rapid.StringMatching(`\(\(0,0\),\(1,[1-9]\),\(2,0\)\)`)},
		{"circle", rapid.StringMatching(`<\([1-9],2\),[1-9]>`)},
		{"int8range", int8s},
		{"numrange", nums},
		{"daterange", day},
		{"tsrange", moment},
		{"tstzrange", instant},
		{"int8multirange", plain(int8s)},
		{"nummultirange", plain(nums)},
		{"datemultirange", plain(day)},
		{"tsmultirange", plain(moment)},
		{"tstzmultirange", plain(instant)},
		{"tsquery", some("'a' & 'b'", "'it''s' | !'x':*", "")},
		{"jsonpath", some("$", `$."a"[*]?(@ > 1)`, `strict $.b`)},
		{"xml", some("<a>x</a>", "text", `<a b="c"/>`)},
		{"refcursor", textLiteral()},
		{"tid", rapid.StringMatching(`\([0-9]{1,5},[1-9]\)`)},
		{"cid", number(rapid.Uint32())},
		{"xid8", number(rapid.Uint32())},
		{"pg_snapshot", rapid.StringMatching(`10:20:1[1-5],1[6-9]`)},
		{"txid_snapshot", rapid.StringMatching(`10:20:1[1-5],1[6-9]`)},
		{"aclitem", some("pg_monitor=r/pg_monitor", "=arwd/pg_monitor")},
		{"regclass", some("pg_class", `information_schema.tables`)},
		{"regtype", some("integer", "timestamp with time zone", `"char"`)},
		{"regproc", some("now", "pg_sleep")},
		{"regprocedure", some("abs(integer)", "now()")},
		{"regoper", some("||/", "|/")},
		{"regoperator", some("=(integer,integer)", "@(NONE,integer)")},
		{"regrole", some("pg_monitor")},
		{"regnamespace", some("pg_catalog", "information_schema")},
		{"regconfig", some("english", "simple")},
		{"regdictionary", some("simple")},
		{"regcollation", some(`"C"`, `"default"`)},
	}
}

// unwritable are types that refuse all input: no table has values of them that
// anybody wrote.
var unwritable = []string{
	"gtsvector", "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary",
}

// TestEveryBuiltinTypeIsTried asks the server which types it has.
func TestEveryBuiltinTypeIsTried(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(customTypes)
	tried := map[string]bool{}
	for _, l := range literals() {
		var oid string
		if err := db.Pool.QueryRow(t.Context(), "select $1::regtype::oid::text", l.typ).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		tried[oid] = true
	}
	var missing []string
	err := db.Pool.QueryRow(t.Context(), `select array(
		select t.typname::text || ' ' || t.oid from pg_type t
		where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm', 'e', 'd') and t.typcategory <> 'A' and t.typname <> all ($1)
			and not exists (select from unnest($2::text[]) o where o = t.oid::text)
		order by 1)`, unwritable, keys(tried)).Scan(&missing)
	if err != nil || len(missing) > 0 {
		t.Errorf("built-in types without random values: %v, error %v", missing, err)
	}
}

func keys(set map[string]bool) (all []string) {
	for k := range set {
		all = append(all, k)
	}
	return all
}
