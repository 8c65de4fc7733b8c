package diagnose

import (
	"fmt"
	"testing"
	"time"

	"walcast/replication/catalog"
)

// TestWhatASchemaHoldsIsToldToWhoMayUseIt names tables that are there, that are
// not, and schemas that are not, as a role that may use none of them.
func TestWhatASchemaHoldsIsToldToWhoMayUseIt(t *testing.T) {
	l := newLab(t,
		`create schema closed; create schema empty`,
		`create table closed.there (id int primary key, note text); grant select on closed.there to anon`,
		`create view closed.looked as select 1 as id`,
		`create table closed.listed (id int primary key, note text, secret text)`,
		`create publication rows for table closed.listed`)
	answer := func(role, schema, table string) string {
		found := l.check(role, fmt.Sprintf(`{"event":"*","schema":%q,"table":%q}`, schema, table))
		if found.Absent == nil || found.Refused == nil {
			t.Fatalf("%s.%s as %s: %+v; want absent and why", schema, table, role, found)
		}
		return found.Refused.Code + found.Refused.Fix
	}
	want := answer("anon", "nowhere", "there")
	for _, name := range [][2]string{{"closed", "there"}, {"closed", "nothing"}, {"closed", "looked"}, {"empty", "nothing"}, {"empty", "*"}, {"nowhere", "*"}} {
		if got := answer("anon", name[0], name[1]); got != want || got != "unknown_schema" {
			t.Errorf("%s.%s: anon, who may not use the schema, is told %q; of one that is not there %q", name[0], name[1], got, want)
		}
	}
	l.db.Exec(`grant usage on schema closed to anon`)
	for table, want := range map[string]string{
		"there": `not_publishedALTER PUBLICATION "rows" ADD TABLE "closed"."there";`, "nothing": "unknown_table", "looked": "not_a_table",
	} {
		if got := answer("anon", "closed", table); got != want {
			t.Errorf("closed.%s: anon, who may use the schema, is told %q; want %q", table, got, want)
		}
	}
}

// TestColumnsOfAClosedSchemaAreAllAlike asks for columns that are there and that
// are not.
func TestColumnsOfAClosedSchemaAreAllAlike(t *testing.T) {
	l := newLab(t, `create schema closed`,
		`create table closed.t (id int primary key, secret text); create publication rows for table closed.t`)
	for _, column := range []string{"secret", "nothing"} {
		for _, binding := range []string{`"select":[%q]`, `"filter":"%s=eq.1"`} {
			found := l.check("anon", `{"event":"*","schema":"closed","table":"t",`+fmt.Sprintf(binding, column)+`}`)
			if found.Refused == nil || found.Refused.Code != "column_not_granted" {
				t.Errorf("%s of %s: %+v; want column_not_granted", binding, column, found.Refused)
			}
		}
	}
}

// TestNothingIsLookedUpForWhoMayNotUseTheSchema: otherwise the time of an answer
// would tell what the schema holds.
func TestNothingIsLookedUpForWhoMayNotUseTheSchema(t *testing.T) {
	l := newLab(t, `create schema closed; create table closed.there (id int primary key); create publication rows`)
	l.checker.believed = time.Hour
	l.check("anon", `{"event":"*","schema":"closed","table":"there"}`)
	e := l.checker.tables.entry(catalog.TableName{Schema: "closed", Table: "there"})
	if e.asked.IsZero() || !e.explained.IsZero() {
		t.Errorf("published asked at %s, why not at %s; want the first alone", e.asked, e.explained)
	}
}
