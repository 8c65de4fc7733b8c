package diagnose

import (
	"fmt"
	"strings"
	"testing"

	"walcast/protocol"
)

func TestSnapshotsAreRefusedWithTheirCodeAndCure(t *testing.T) {
	l := newLab(t, `create table good (id int primary key, body text, doc jsonb)`, `grant select on good to anon`,
		`create table keyless (id int, body text); grant select on keyless to anon`,
		`create table whole (id int, body text); alter table whole replica identity full; grant select on whole to anon`,
		`create table indexed (id int not null, body text); create unique index it on indexed (id); alter table indexed replica identity using index it; grant select on indexed to anon`,
		`create table parts (a int, b int, body text, primary key (a, b)); grant select (a, body) on parts to anon`,
		`create table halves (a int, b int, primary key (a, b)); grant select (a) on halves to anon`,
		`create table none (id int primary key)`,
		`create table otherwise (id int primary key, n int not null unique); alter table otherwise replica identity using index otherwise_n_key; grant select on otherwise to anon`,
		`create table late (id int primary key deferrable); alter table late replica identity full; grant select on late to anon`,
		`create schema shut; create table shut.in (id int primary key); grant select on shut.in to anon`,
		`create publication rows for all tables`)
	l.checker.LimitSnapshots(1000)
	on := func(table, more string) string {
		return `{"event":"*","schema":"public","table":"` + table + `","snapshot":true` + more + `}`
	}
	many := func(n int) string {
		all := []string{`{"event":"*","schema":"public","table":"good"}`}
		for i := range n {
			all = append(all, on("good", fmt.Sprintf(`,"limit":%d`, i)))
		}
		return strings.Join(all, ",")
	}
	for _, c := range []struct{ name, binding, code, fix string }{
		{"as many as a channel may have", many(20), "", ""},
		{"more than a channel may have", many(21), protocol.CodeInvalidBinding, ""},
		{"nothing is wrong", on("good", `,"order":"body.desc,doc->>a","limit":1000,"filter":"id=gt.0","select":["body"]`), "", ""},
		{"a limit in text", on("good", `,"limit":"10"`), "", ""},
		{"no rows", on("good", `,"limit":0`), "", ""},
		{"an index is the key", on("indexed", ""), "", ""},
		{"one event", strings.Replace(on("good", ""), `"*"`, `"INSERT"`, 1), protocol.CodeInvalidBinding, ""},
		{"every table", on("*", ""), protocol.CodeInvalidBinding, ""},
		{"not an order", on("good", `,"order":"body.up"`), protocol.CodeInvalidOrder, ""},
		{"an order of another type", on("good", `,"order":["body"]`), protocol.CodeInvalidOrder, ""},
		{"an order with what is no text", on("good", `,"order":"body\u0000.asc"`), protocol.CodeInvalidOrder, ""},
		{"an order by no name", on("good", `,"order":"`+strings.Repeat("x", 64)+`"`), protocol.CodeInvalidOrder, ""},
		{"an order by no column", on("good", `,"order":"other"`), protocol.CodeUnknownColumn, ""},
		{"an order by what may not be read", on("parts", `,"order":"b"`), protocol.CodeColumnNotGranted, `GRANT SELECT ("b") ON "public"."parts" TO "anon";`},
		{"not a limit", on("good", `,"limit":"many"`), protocol.CodeInvalidLimit, ""},
		{"less than nothing", on("good", `,"limit":-1`), protocol.CodeInvalidLimit, ""},
		{"part of a row", on("good", `,"limit":1.5`), protocol.CodeInvalidLimit, ""},
		{"beyond the setting", on("good", `,"limit":1001`), protocol.CodeInvalidLimit, ""},
		{"no key", on("keyless", ""), protocol.CodeNoKey, ""},
		{"a full identity is no key", on("whole", ""), protocol.CodeNoKey, ""},
		{"the key may not be read", on("halves", ""), protocol.CodeKeyNotGranted, `GRANT SELECT ("b") ON "public"."halves" TO "anon";`},
		{"nothing may be read", on("none", ""), protocol.CodeSnapshotDenied, `GRANT SELECT ON "public"."none" TO "anon";`},
		{"the schema may not be used", strings.Replace(on("in", ""), "public", "shut", 1), protocol.CodeSnapshotDenied, `GRANT USAGE ON SCHEMA "shut" TO "anon";`},
		{"a view", on("good", `,"view":true,"order":"id"`), "", ""},
		{"a view for one event", strings.Replace(on("good", ""), `"*"`, `"INSERT","view":true`, 1), protocol.CodeInvalidBinding, ""},
		{"a view with a limit", on("good", `,"view":true,"limit":10`), protocol.CodeLimitWithView, ""},
		{"a view of what has no key", on("keyless", `,"view":true`), protocol.CodeNoKey, ""},
		{"a view of what is known by another index", on("otherwise", `,"view":true`), protocol.CodeNoKey, ""},
		{"a view of what is known late", on("late", `,"view":true`), protocol.CodeNoKey, ""},
		{"order and limit without a snapshot", `{"event":"*","schema":"public","table":"keyless","order":"up.up","limit":"many"}`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := l.check("anon", c.binding)
			switch refused := found.Refused; {
			case c.code == "" && refused == nil:
			case refused == nil:
				t.Errorf("not refused; want %s", c.code)
			case refused.Code != c.code || refused.Fix != c.fix:
				t.Errorf("refused with %+v; want %s and fix %s", refused, c.code, c.fix)
			case c.fix != "":
				l.db.Exec(c.fix)
				if found := l.check("anon", c.binding); found.Refused != nil && found.Refused.Code == c.code {
					t.Errorf("after the fix it is refused with %+v", found.Refused)
				}
			}
		})
	}
}

// What a publication leaves out of the key leaves rows that cannot be told apart.
func TestASnapshotNeedsTheWholeKeyInThePublication(t *testing.T) {
	l := newLab(t, `create table parts (a int, b int, primary key (a, b)); grant select on parts to anon`)
	if !l.lists() {
		l.db.Exec(`create publication rows for table parts`)
		return
	}
	l.db.Exec(`create publication rows for table parts (a) with (publish = 'insert')`)
	if found := l.check("anon", `{"event":"*","schema":"public","table":"parts","snapshot":true}`); found.Refused == nil || found.Refused.Code != protocol.CodeNoKey {
		t.Errorf("refused with %+v; want %s", found.Refused, protocol.CodeNoKey)
	}
}
