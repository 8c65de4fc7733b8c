package server

import (
	"fmt"
	"strings"
	"testing"

	"walcast/internal/devdb"
)

// impostors fit what walcast asks of the catalog better than Postgres' own functions and
// operators do, where a schema in which somebody may create them is on the search_path.
var impostors = []string{
	"unnest(int2[]) returns setof int2", "unnest(oid[]) returns setof oid", "unnest(text[]) returns setof text", "unnest(name[]) returns setof name",
	"array_position(text[], text) returns int", "to_jsonb(pg_publication_tables) returns jsonb", "to_jsonb(pg_publication_rel) returns jsonb",
	"to_jsonb(pg_database) returns jsonb", "format(text, name, name) returns text", "format(text, name) returns text", "format(text, text) returns text",
	"format(text, bigint) returns text", "format(text, int) returns text", "quote_ident(name) returns text", "acldefault(text, oid) returns aclitem[]",
	"concat_ws(text, oid, boolean) returns text", "concat(oid, text, oid) returns text", "array_to_string(text[], text) returns text",
	"strpos(text, name) returns int", "lower(name) returns text", "md5(name) returns text", "has_table_privilege(oid, text) returns boolean",
	"hashtextextended(text, int) returns bigint", "joined(name, text) returns text", "joined(name, name) returns name", "joined(text, name) returns text",
}

// impose makes the impostors, as a role that may do nothing else, and has Postgres count
// how often they are called.
func impose(db *devdb.DB) {
	db.Exec("alter database " + db.Name + " set track_functions = 'all'; grant create on schema public to public")
	eve := db.Name + "_eve"
	sql := "create role " + eve + "; set role " + eve + "; "
	for _, f := range impostors {
		value := "null"
		if strings.Contains(f, "setof") {
			value = ""
		}
		sql += fmt.Sprintf("create function public.%s language plpgsql as $$ begin return %s; end $$; ", f, value)
	}
	for _, of := range []string{"name, text", "name, name", "text, name"} {
		left, right, _ := strings.Cut(of, ", ")
		sql += fmt.Sprintf("create operator public.|| (leftarg = %s, rightarg = %s, function = public.joined); ", left, right)
	}
	db.Exec(sql + "reset role")
}

// imposed are the impostors that were called, by anybody.
func imposed(t *testing.T, db *devdb.DB) (called []string) {
	t.Helper()
	rows, err := db.Pool.Query(t.Context(), "select pg_catalog.concat(funcid::pg_catalog.regprocedure, ': ', calls) from pg_catalog.pg_stat_user_functions where schemaname = 'public' order by 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var f string
		if err := rows.Scan(&f); err != nil {
			t.Fatal(err)
		}
		called = append(called, f)
	}
	return called
}

// TestNobodyWhoMayCreateFunctionsHasWalcastRunThem with its own rights: whatever it asks of
// the catalog means what Postgres has, be a schema on the search_path open to everybody, as
// public was up to Postgres 14.
func TestNobodyWhoMayCreateFunctionsHasWalcastRunThem(t *testing.T) {
	t.Parallel()
	db := roomsDatabase(t)
	db.Exec(`create type mood as enum ('sad', 'happy'); create table notes (id int, room text, mood mood, primary key (room, id));
		grant select on notes to authenticated; alter publication supabase_realtime add table notes; create table hidden (id int);
		grant select on hidden to authenticated; grant insert, select on realtime.messages to authenticated`)
	impose(db)
	c := roomsConfig(db, seldom)
	c.LogicalMessageRoles = []string{"postgres"}
	s := startServer(t, c)
	db.Exec(fmt.Sprintf("insert into members values ('room', '%s')", userID(1)))
	u := s.user(t, "authenticated", userID(1), "")
	u.mustEnter(`,"presence":{"enabled":true}`)
	k := s.user(t, "authenticated", userID(1), "")
	k.send("1", "realtime:notes", "phx_join", `{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"notes","filter":"mood=eq.sad","view":true},
		{"event":"*","schema":"public","table":"hidden"}]}}`)
	k.next("system")
	db.Exec("insert into notes values (1, 'room', 'sad')")
	if status, _, body := s.examined(t, "", "service_role"); status != 200 {
		t.Errorf("it answers %d with %s", status, body)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	db.Pool.Reset()
	if called := imposed(t, db); len(called) > 0 {
		t.Errorf("walcast has run\n%s", strings.Join(called, "\n"))
	}
}
