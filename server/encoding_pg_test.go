package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

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
// the middle of a character, and others bytes that their encoding has no character
// for.
func TestBytesThatAreNoUTF8StopNobody(t *testing.T) {
	for encoding, text := range map[string]struct{ bad, good string }{
		"SQL_ASCII": {"\xc3", "é"}, "WIN1252": {"\x81", "é"}, "EUC_KR": {"\xc9\xa1", "가"},
	} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			db := devdb.OpenWith(t, "encoding '"+encoding+"' locale 'C' template template0")
			prepareNotes(t, db)
			s := startServer(t, configFor(db))
			open, pattern := s.dial(t, "1.0.0"), s.dial(t, "2.0.0")
			open.joinTable("open_notes", "")
			pattern.joinTable("open_notes", "note=like.caf%")
			judged := map[string]*client{
				"a policy of the row alone": s.dial(t, "1.0.0"), "a policy that is asked": s.user(t, "authenticated", "", ""),
				"a policy that is asked by key": s.user(t, "keyed", "", ""),
			}
			for _, c := range judged {
				c.joinTable("notes", "")
			}
			heard := s.dial(t, "1.0.0")
			heard.send("1", "realtime:room", "phx_join", `{"config":{}}`)
			heard.next("phx_reply")
			for _, table := range []string{"open_notes", "notes"} {
				rawExec(t, db, encoding, "insert into "+table+" values (1, 'caf"+text.bad+"', '{\"a\": \"b"+text.bad+"\"}', 'o"+text.bad+"')")
				rawExec(t, db, "UTF8", "insert into "+table+" values (2, 'caf"+text.good+"', '{}', 'o')")
			}
			open.getsMended("no policy")
			open.getsGood("no policy", text.good)
			pattern.getsMended("a pattern")
			pattern.getsGood("a pattern", text.good)
			for name, c := range judged {
				if encoding == "SQL_ASCII" {
					c.getsMended(name)
				} else if m := c.next("system"); !strings.Contains(string(m.Payload), `"code":"policy_raised"`) || !strings.Contains(string(m.Payload), "in the encoding of the database") { // Postgres does not take such a text back
					t.Errorf("%s: told %s; want policy_raised and why", name, m.Payload)
				}
				c.getsGood(name, text.good)
			}
			rawExec(t, db, encoding, "select realtime.send(jsonb_build_object('text', 'x"+text.bad+"'), 'e', 'room', false)")
			if got := heard.hears(); got != "x\uFFFD" {
				t.Errorf("a message from SQL says %q; want x and U+FFFD", got)
			}
			rawExec(t, db, "UTF8", "select pg_logical_emit_message(true, 'walcast.broadcast', '{\"topic\": \"room\", \"event\": \"e\", \"private\": false, \"payload\": {\"text\": \""+text.good+"\"}}')")
			if got := heard.hears(); got != text.good {
				t.Errorf("a logical message says %q; want %s", got, text.good)
			}
		})
	}
}

// prepareNotes makes two tables of notes, one with row-level security.
func prepareNotes(t *testing.T, db *devdb.DB) {
	t.Helper()
	devdb.SupabaseRoles(db)
	migrate(t, db)
	db.Exec(`
		create table notes (id int primary key, note text, doc jsonb, owner text);
		create table open_notes (like notes including all);
		alter table notes replica identity full;
		grant select on notes, open_notes to anon, authenticated;
		alter table notes enable row level security;
		create function mine(owner text) returns bool language plpgsql as 'begin return owner <> ''nobody''; end';
		create policy anybody on notes for select to anon using (owner is not null);
		do $$ begin create role keyed; exception when duplicate_object or unique_violation then end $$;
		grant usage on schema public to keyed;
		grant select on notes to keyed;
		create policy keyed on notes for select to keyed using (mine(owner) and tableoid is not null);
		create policy asked on notes for select to authenticated using (mine(owner));
		create publication supabase_realtime for table notes, open_notes`)
}

// getsGood waits for the row whose text is in order.
func (c *client) getsGood(name, text string) {
	c.t.Helper()
	if record, errors := c.noted(); record["note"] != "caf"+text || errors != nil {
		c.t.Errorf("%s: the next row is %v with errors %v; want caf%s and none", name, record, errors, text)
	}
}

// getsMended waits for a row with bad bytes.
func (c *client) getsMended(name string) {
	c.t.Helper()
	record, errors := c.noted()
	if record["note"] != "caf\uFFFD" || fmt.Sprint(record["doc"]) != "map[a:b\uFFFD]" {
		c.t.Errorf("%s: record is %v; want U+FFFD for the bytes that are no UTF-8", name, record)
	}
	want := "[Error 422: column note is not UTF-8 Error 422: column doc is not UTF-8 Error 422: column owner is not UTF-8]"
	if fmt.Sprint(errors) != want {
		c.t.Errorf("%s: errors are %v; want %s", name, errors, want)
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

// TestNamesThatAreNoUTF8StopNobody: names, labels and what clients are told of tables may
// have bytes that are no text, too. In a frame they would end the connection.
func TestNamesThatAreNoUTF8StopNobody(t *testing.T) {
	db := devdb.OpenWith(t, "encoding 'SQL_ASCII' locale 'C' template template0")
	devdb.SupabaseRoles(db)
	db.Exec(`create publication supabase_realtime for all tables`)
	const encoding = "SQL_ASCII"
	rawExec(t, db, encoding, "create type mood as enum ('sad\xc3', 'ok'); create type pair as (\"f\xc3\" int); create table \"t\xc3\" (id int primary key, \"n\xc3\" text, mood mood, pair pair, moods mood[])")
	rawExec(t, db, encoding, "grant select on \"t\xc3\" to anon; create table \"u\xc3\" (id int primary key); create schema \"s\xc3\"; create table \"s\xc3\".v (id int primary key); grant select on \"s\xc3\".v to anon")
	db.Exec(`create table good (id int primary key); grant select on good to anon`)
	s := startServer(t, configFor(db))
	clients := []*client{s.dial(t, "1.0.0"), s.dial(t, "2.0.0")}
	for _, c := range clients {
		c.joinBindings("realtime:all", `{"event":"*","schema":"*","table":"*"}`)
	}
	rawExec(t, db, encoding, "insert into \"t\xc3\" values (1, 'a', 'sad\xc3', row(1), '{sad\xc3}'); insert into \"u\xc3\" values (1); insert into \"s\xc3\".v values (1)")
	db.Exec(`insert into good values (7)`)
	for _, c := range clients {
		for seen := 0; ; seen++ {
			m := c.next("postgres_changes")
			if !utf8.Valid(m.Payload) {
				t.Fatalf("a frame is no UTF-8: %q", m.Payload)
			}
			if strings.Contains(string(m.Payload), `"record":{"id":7}`) {
				if seen == 0 {
					t.Error("the rows of tables with odd names do not come")
				}
				break
			}
		}
	}
	rawExec(t, db, encoding, "revoke select on \"t\xc3\" from anon")
	for _, c := range clients {
		c.hearsOf("not_granted")
	}
}
