package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"walcast/internal/devdb"
)

// closedSchemas has a table, its types and the helper of its policies in schemas
// that the clients' roles may use, and nobody else.
const closedSchemas = `
	create schema app; create schema helper; grant usage on schema app, helper to authenticated;
	create type app.mood as enum ('sad', 'happy');
	create domain app.score as int check (value >= 0);
	create type app.pair as (a app.score, b text);
	create table app.members (room int, usr uuid); insert into app.members values (1, '%[1]s');
	create function helper.may(room int) returns boolean language sql stable as $$ select exists (select from app.members m where m.room = may.room and m.usr = auth.uid()) $$;
	create table app.notes (id int primary key, room int, mood app.mood, score app.score, pair app.pair, note text);
	create table app.loose (like app.notes);
	alter table app.loose replica identity full;
	alter table app.notes enable row level security; alter table app.loose enable row level security;
	grant select on app.notes, app.loose, app.members to authenticated;
	create policy helped on app.notes for select to authenticated using (helper.may(room));
	create policy read on app.loose for select to authenticated using (room in (select m.room from app.members m where m.usr = auth.uid()) and mood <> 'sad' and score > 1);
	create policy reading on realtime.messages for select to authenticated using (helper.may(1));
	create policy writing on realtime.messages for insert to authenticated with check (helper.may(1));
	create publication supabase_realtime for table app.notes, app.loose`

// TestARoleThatInheritsNothingLosesNoRow: Supabase's authenticator is one. It has to
// become a subject before it may use what the subject may.
func TestARoleThatInheritsNothingLosesNoRow(t *testing.T) {
	for _, attribute := range []string{"noinherit", "inherit"} {
		t.Run(attribute, func(t *testing.T) {
			db := devdb.Open(t)
			devdb.SupabaseRoles(db)
			migrate(t, db)
			db.Exec(fmt.Sprintf(closedSchemas, userID(1)))
			role, config := servingRole(t, db, configFor(db))
			db.Exec("alter role " + role + " " + attribute)
			if db.Server.Major >= 16 { // what is granted has an attribute of its own there, which the role's does not change
				db.Exec("grant anon, authenticated, service_role to " + role + " with inherit " + fmt.Sprint(attribute == "inherit"))
			}
			grantTo(t, db, role)
			s := startServer(t, config)
			member, stranger := s.user(t, "authenticated", userID(1), ""), s.user(t, "authenticated", userID(2), "")
			filters := []string{"", "mood=eq.happy", "score=gte.2", "mood=gt.sad,note=ilike.A%", "pair=isdistinct.null", `pair=neq."(9,x)"`}
			for i, filter := range filters {
				for _, table := range []string{"notes", "loose"} {
					for _, c := range []*client{member, stranger} {
						c.send("1", fmt.Sprintf("realtime:%s%d", table, i), "phx_join", fmt.Sprintf(
							`{"config":{"postgres_changes":[{"event":"INSERT","schema":"app","table":%q,"filter":%s}]}}`, table, quotedJSON(t, filter)))
						c.next("phx_reply")
						if m := string(c.next("system").Payload); !strings.Contains(m, "Subscribed to PostgreSQL") {
							t.Fatalf("%s of %s: %s", filter, table, m)
						}
					}
				}
			}
			for _, table := range []string{"notes", "loose"} {
				db.Exec(`insert into app.` + table + ` values (1, 2, 'happy', 5, '(1,x)', 'another room'), (2, 1, 'happy', 5, '(1,x)', 'a room')`)
				for range filters {
					if record, errors := member.noted(); record["id"] != 2.0 || errors != nil {
						t.Errorf("the member is sent %v of %s, errors %v; want row 2", record, table, errors)
					}
				}
			}
			for n, want := range []string{`"rows":1`, `"rows":0`} {
				for _, more := range []string{"", `,"view":true`} {
					if m := s.user(t, "authenticated", userID(n+1), "").firstRows("app", "notes", more); !strings.Contains(m, want) {
						t.Errorf("user %d, first rows%s: %s; want %s", n+1, more, m, want)
					}
				}
			}
			member.mustEnter("")
			hearer := s.user(t, "authenticated", userID(1), "")
			hearer.mustEnter("")
			member.says("hello")
			if got := hearer.hears(); got != "hello" {
				t.Errorf("the private room hears %q; want hello", got)
			}
			if stranger.enter("") {
				t.Error("the stranger is let into the private room")
			}
			// What the stranger is sent first is what it asks for: no row came before.
			stranger.send("1", "realtime:end", "phx_join", `{"config":{}}`)
			if m := stranger.next("postgres_changes", "phx_reply"); m.Event != "phx_reply" {
				t.Errorf("the stranger is sent %s", m.Payload)
			}
		})
	}
}

// firstRows joins a table's first rows and returns what ends them.
func (c *client) firstRows(schema, table, more string) string {
	c.t.Helper()
	c.send("1", "realtime:first", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[{"event":"*","schema":%q,"table":%q,"snapshot":true%s}]}}`, schema, table, more))
	for {
		if m := string(c.next("system").Payload); strings.Contains(m, `"snapshot_end"`) || strings.Contains(m, `"status":"error"`) {
			return m
		}
	}
}

func quotedJSON(t *testing.T, text string) string {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(quoted)
}
