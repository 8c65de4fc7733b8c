package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

// rawExec runs a statement whose text is bytes in the database's own encoding.
func rawExec(t *testing.T, db *devdb.DB, encoding, sql string) {
	t.Helper()
	config, err := pgx.ParseConfig(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["client_encoding"] = encoding
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// note waits for the next row of notes.
func (c *client) noted() (record map[string]any, errors []string) {
	c.t.Helper()
	var p struct {
		Data struct {
			Record map[string]any
			Errors []string
		}
	}
	if err := json.Unmarshal(c.next("postgres_changes").Payload, &p); err != nil {
		c.t.Fatal(err)
	}
	return p.Data.Record, p.Data.Errors
}

// joinTable joins a topic with the table's changes and waits until they come.
func (c *client) joinTable(table, filter string) {
	c.t.Helper()
	c.send("1", "realtime:"+table, "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":%q,"filter":%q}]}}`, table, filter))
	c.next("phx_reply")
	if m := c.next("system"); !strings.Contains(string(m.Payload), `"status":"ok"`) {
		c.t.Fatalf("join of %s: %s", table, m.Payload)
	}
}

// TestBytesThatAreNoUTF8StopNobody: a SQL_ASCII database takes what a program cut in
// the middle of a character.
func TestBytesThatAreNoUTF8StopNobody(t *testing.T) {
	db := devdb.OpenWith(t, "encoding 'SQL_ASCII' locale 'C' template template0")
	devdb.SupabaseRoles(db)
	migrate(t, db)
	db.Exec(`
		create table notes (id int primary key, note text, doc jsonb, owner text);
		alter table notes replica identity full;
		grant select on notes to anon, authenticated;
		alter table notes enable row level security;
		create function mine(owner text) returns bool language plpgsql as 'begin return owner <> ''nobody''; end';
		create policy anybody on notes for select to anon using (owner is not null);
		create policy asked on notes for select to authenticated using (mine(owner));
		create publication supabase_realtime for table notes`)
	s := startServer(t, configFor(db))
	compiled, asked, pattern := s.dial(t, "1.0.0"), s.user(t, "authenticated", "", ""), s.dial(t, "2.0.0")
	compiled.joinTable("notes", "")
	asked.joinTable("notes", "")
	pattern.joinTable("notes", "note=like.caf%")
	rawExec(t, db, "SQL_ASCII", "insert into notes values (1, 'caf\xc3', '{\"a\": \"b\xff\"}', 'o\xc3')")
	db.Exec(`insert into notes values (2, 'café', '{}', 'o')`)
	for name, c := range map[string]*client{"a compiled policy": compiled, "a policy that is asked": asked, "a pattern": pattern} {
		record, errors := c.noted()
		if record["note"] != "caf\uFFFD" || fmt.Sprint(record["doc"]) != "map[a:b\uFFFD]" {
			t.Errorf("%s: record is %v; want U+FFFD for the bytes that are no UTF-8", name, record)
		}
		want := "[Error 422: column note is not UTF-8 Error 422: column doc is not UTF-8 Error 422: column owner is not UTF-8]"
		if fmt.Sprint(errors) != want {
			t.Errorf("%s: errors are %v; want %s", name, errors, want)
		}
		if record, errors := c.noted(); record["note"] != "café" || errors != nil {
			t.Errorf("%s: the next row is %v with errors %v; want café and none", name, record, errors)
		}
	}

	heard := s.dial(t, "1.0.0")
	heard.send("1", "realtime:room", "phx_join", `{"config":{}}`)
	heard.next("phx_reply")
	rawExec(t, db, "SQL_ASCII", "select realtime.send(jsonb_build_object('text', 'x\xc3'), 'e', 'room', false)")
	if got := heard.hears(); got != "x\uFFFD" {
		t.Errorf("a message from SQL says %q; want x and U+FFFD", got)
	}
}

// TestNamesAndValuesOfOtherEncodingsArrive, whatever encoding the role asks for.
func TestNamesAndValuesOfOtherEncodingsArrive(t *testing.T) {
	for _, database := range []string{"encoding 'WIN1252' locale 'C' template template0", ""} {
		db := devdb.OpenWith(t, database)
		devdb.SupabaseRoles(db)
		role, config := servingRole(t, db, configFor(db))
		db.Exec("alter role " + role + " set client_encoding = 'win1252'")
		rawExec(t, db, "UTF8", `create table "bücher" (id int primary key, "größe" text)`)
		rawExec(t, db, "UTF8", `grant select on "bücher" to anon`)
		rawExec(t, db, "UTF8", `create publication supabase_realtime for table "bücher"`)
		c := startServer(t, config).dial(t, "1.0.0")
		c.joinTable("bücher", "größe=eq.süß")
		rawExec(t, db, "UTF8", `insert into "bücher" values (1, 'sauer'), (2, 'süß')`)
		if record, errors := c.noted(); record["größe"] != "süß" || errors != nil {
			t.Errorf("with %q the row is %v, errors %v; want süß and none", database, record, errors)
		}
	}
}
