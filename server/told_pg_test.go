package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"walcast/internal/devdb"
)

// told is a system event about row changes.
type told struct{ Message, Status, Extension, Code, Fix string }

// hearsOf waits for a system event with the code, or with the message if it is
// "Subscribed to PostgreSQL".
func (c *client) hearsOf(what string) (p told) {
	c.t.Helper()
	for p.Code != what && p.Message != what {
		p = told{}
		if err := json.Unmarshal(c.next("system").Payload, &p); err != nil {
			c.t.Fatal(err)
		}
	}
	if p.Extension != "postgres_changes" {
		c.t.Errorf("told %+v; want it to be about postgres_changes", p)
	}
	return p
}

const subscribed = "Subscribed to PostgreSQL"

// joinBindings joins with bindings and waits until they work.
func (c *client) joinBindings(topic, bindings string) {
	c.t.Helper()
	c.send("1", topic, "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[%s]}}`, bindings))
	c.next("phx_reply")
	c.hearsOf(subscribed)
}

const (
	onMessages = `{"event":"INSERT","schema":"public","table":"messages"}`
	onBody     = `{"event":"INSERT","schema":"public","table":"messages","filter":"body=eq.a"}`
	onOther    = `{"event":"INSERT","schema":"public","table":"other"}`
)

const (
	revokeUsage = `revoke usage on schema public from public, anon`
	grantUsage  = `grant usage on schema public to public, anon`
)

// TestWhatBreaksABindingAfterItsJoinIsTold breaks bindings that worked, and mends them.
func TestWhatBreaksABindingAfterItsJoinIsTold(t *testing.T) {
	db := appDatabase(t)
	db.Exec(`create table other (id int primary key); grant select on other to anon; alter publication supabase_realtime add table other`)
	s := startServer(t, configFor(db))
	for i, c := range []struct {
		name, bindings, breaks, mends string
		code, status, fix             string
	}{
		{
			"a table leaves the publication", onMessages,
			`alter publication supabase_realtime drop table messages`, `alter publication supabase_realtime add table messages`,
			"not_published", "error", `ALTER PUBLICATION "supabase_realtime" ADD TABLE "public"."messages";`,
		},
		{
			"a column is dropped", onBody, `alter table messages drop column body`, `alter table messages add column body text`,
			"unknown_column", "error", "",
		},
		{
			"a column is renamed", onBody, `alter table messages rename body to text`, `alter table messages rename text to body`,
			"unknown_column", "error", "",
		},
		{
			"one binding of two", onBody + "," + onOther, `alter table messages rename body to text`, `alter table messages rename text to body`,
			"unknown_column", "ok", "",
		},
		{
			"SELECT is revoked", onMessages, `revoke select on messages from anon`, `grant select on messages to anon`,
			"not_granted", "ok", `GRANT SELECT ON "public"."messages" TO "anon";`,
		},
		{
			"USAGE of the schema is revoked", onMessages, revokeUsage, grantUsage,
			"schema_not_granted", "ok", `GRANT USAGE ON SCHEMA "public" TO "anon";`,
		},
		{
			"USAGE of the schema of a wildcard is revoked", `{"event":"INSERT","schema":"public","table":"*"}`, revokeUsage, grantUsage,
			"schema_not_granted", "ok", `GRANT USAGE ON SCHEMA "public" TO "anon";`,
		},
		{
			"SELECT on a table of a wildcard is revoked", `{"event":"INSERT","schema":"public","table":"*"}`,
			`revoke select on messages from anon`, `grant select on messages to anon`,
			"not_granted", "ok", `GRANT SELECT ON "public"."messages" TO "anon";`,
		},
		{
			"SELECT on a table of all is revoked", `{"event":"INSERT","schema":"*","table":"*"}`,
			`revoke select on messages from anon; grant select (body) on messages to anon`, `grant select on messages to anon`,
			"key_not_granted", "ok", `GRANT SELECT ("id") ON "public"."messages" TO "anon";`,
		},
		{
			"row-level security hides a table of a wildcard", `{"event":"INSERT","schema":"public","table":"*"}`,
			`alter table messages enable row level security`, `alter table messages disable row level security`,
			"no_policy", "ok", `CREATE POLICY "readable by anon" ON "public"."messages" FOR SELECT TO "anon" USING (true);`,
		},
		{
			"USAGE of a schema of all is revoked", `{"event":"INSERT","schema":"*","table":"*"}`, revokeUsage, grantUsage,
			"schema_not_granted", "ok", `GRANT USAGE ON SCHEMA "public" TO "anon";`,
		},
		{
			"SELECT of a filter's column is revoked", onBody,
			`revoke select on messages from anon; grant select (id, channel_id) on messages to anon`, `grant select on messages to anon`,
			"column_not_granted", "error", `GRANT SELECT ("body") ON "public"."messages" TO "anon";`,
		},
		{
			"the publication is dropped", onMessages, `drop publication supabase_realtime`, `create publication supabase_realtime for table messages, other`,
			"publication_missing", "error", `CREATE PUBLICATION "supabase_realtime" FOR TABLE "public"."messages";`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			clients := []*client{s.dial(t, "1.0.0"), s.dial(t, "2.0.0")}
			for _, client := range clients {
				client.joinBindings("realtime:room", c.bindings)
			}
			db.Exec(c.breaks)
			for _, client := range clients {
				if p := client.hearsOf(c.code); p.Status != c.status || p.Fix != c.fix {
					t.Errorf("told %+v; want status %s and the fix %q", p, c.status, c.fix)
				}
			}
			db.Exec(c.mends)
			for _, client := range clients {
				if p := client.hearsOf(subscribed); p.Status != "ok" {
					t.Errorf("told %+v; want ok", p)
				}
			}
			db.Exec(`delete from messages`)
			db.Exec(`insert into messages values ($1, 42, 'a')`, i)
			for _, client := range clients {
				client.wantChanges(fmt.Sprintf("INSERT %d a", i))
			}
		})
	}
}

// TestJoinsAreToldThatThePublicationIsMissing while the server runs, and when it works.
func TestJoinsAreToldThatThePublicationIsMissing(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	db.Exec(`drop publication supabase_realtime`)
	c := s.dial(t, "2.0.0")
	c.send("1", "realtime:room", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[%s]}}`, onMessages))
	c.next("phx_reply")
	p := c.hearsOf("publication_missing")
	if p.Status != "error" || p.Fix != `CREATE PUBLICATION "supabase_realtime" FOR TABLE "public"."messages";` {
		t.Errorf("told %+v; want an error with its cure", p)
	}
	db.Exec(`insert into messages values (1, 42, 'lost')`) // which the stream fails at
	db.Exec(p.Fix)
	c.hearsOf(subscribed)
	db.Exec(`insert into messages values (2, 42, 'a')`)
	c.wantChanges("INSERT 2 a")
}

// TestChannelsAreToldThatTheDatabaseIsAway, and when it is back; what is committed then
// comes, and channels without bindings are told nothing.
func TestChannelsAreToldThatTheDatabaseIsAway(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	s := startServer(t, configFor(db))
	c, other, silent := s.dial(t, "2.0.0"), s.dial(t, "1.0.0"), s.dial(t, "2.0.0")
	for _, one := range []*client{c, other} {
		one.joinBindings("realtime:room", onMessages)
	}
	silent.send("1", "realtime:room", "phx_join", `{"config":{}}`)
	silent.next("phx_reply")
	if err := db.Server.StopFast(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, one := range []*client{c, other} {
		if p := one.hearsOf("database_away"); p.Status != "ok" || p.Message != "warning: Realtime was unable to connect to the project database" {
			t.Errorf("told %+v; want a warning", p)
		}
	}
	if err := db.Server.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.Pool.Reset() // its connections ended with the server
	db.Exec(`insert into messages values (1, 42, 'a')`)
	for _, one := range []*client{c, other} {
		one.hearsOf(subscribed)
	}
	db.Exec(`insert into messages values (2, 42, 'b')`)
	c.send("2", "realtime:room", "broadcast", `{"type":"broadcast","event":"e","payload":{}}`)
	if m := silent.next("broadcast", "system"); m.Event != "broadcast" {
		t.Errorf("a channel without bindings got %s %s; want nothing but the broadcast", m.Event, m.Payload)
	}
}

// TestOneOfTwoPublicationsIsMissing: from 18 on the changes of the other come, and
// nobody is told of the missing one but whose tables were in it.
func TestOneOfTwoPublicationsIsMissing(t *testing.T) {
	db := appDatabase(t)
	if db.Server.Major < 18 {
		return // nothing comes, see TestWhatBreaksABindingAfterItsJoinIsTold
	}
	db.Exec(`create table other (id int primary key); grant select on other to anon; create publication second for table other`)
	config := configFor(db)
	config.Replication.Publications = append(config.Replication.Publications, "second")
	s := startServer(t, config)
	there, gone, both := s.dial(t, "2.0.0"), s.dial(t, "2.0.0"), s.dial(t, "1.0.0")
	there.joinBindings("realtime:there", onMessages)
	gone.joinBindings("realtime:gone", onOther)
	both.joinBindings("realtime:both", onMessages+","+onOther)
	db.Exec(`drop publication second`)
	if p := gone.hearsOf("publication_missing"); p.Status != "error" || p.Fix != `CREATE PUBLICATION "second" FOR TABLE "public"."other";` {
		t.Errorf("told %+v; want an error with its cure", p)
	}
	if p := both.hearsOf("publication_missing"); p.Status != "ok" {
		t.Errorf("with another binding that works: told %+v; want a warning", p)
	}
	late := s.dial(t, "2.0.0")
	late.joinBindings("realtime:late", onMessages)
	db.Exec(`insert into other values (1)`)
	db.Exec(`insert into messages values (1, 42, 'a')`)
	for _, c := range []*client{there, late} {
		if m := c.next("postgres_changes", "system"); m.Event != "postgres_changes" {
			t.Errorf("told %s; want nothing but the row", m.Payload)
		}
	}
	db.Exec(`create publication second for table other`)
	for _, c := range []*client{gone, both, there} {
		if p := c.hearsOf("publication_missing"); !strings.HasPrefix(p.Message, "resync_required: ") {
			t.Errorf("told %+v; want a resync, as rows were lost", p)
		}
	}
	db.Exec(`insert into other values (2)`)
	if m := gone.next("postgres_changes"); !strings.Contains(string(m.Payload), `"record":{"id":2}`) {
		t.Errorf("got %s; want row 2", m.Payload)
	}
}
