package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

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
	db.Exec(`create table other (id int primary key); create table composed (id int, room int not null, primary key (id, room)); grant select on other, composed to anon;
		alter publication supabase_realtime add table other, composed`)
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
			"the table is dropped", onMessages, `drop table messages`,
			`create table messages (id int primary key, channel_id int, body text); alter table messages replica identity full;
				grant select on messages to anon; alter publication supabase_realtime add table messages`,
			"unknown_table", "error", "",
		},
		{
			"the table is renamed", onMessages, `alter table messages rename to notes`, `alter table notes rename to messages`,
			"unknown_table", "error", "",
		},
		{
			"the table gets another schema", onMessages, `create schema away; alter table messages set schema away`, `alter table away.messages set schema public`,
			"unknown_table", "error", "",
		},
		{
			"a column gets a type that a filter's value is none of", onBody,
			`alter table messages alter body type int using 0`, `alter table messages alter body type text`,
			"invalid_value", "error", "",
		},
		{
			"UPDATE is published no more", onMessages + `,{"event":"UPDATE","schema":"public","table":"messages"}`,
			`alter publication supabase_realtime set (publish = 'insert')`, `alter publication supabase_realtime set (publish = 'insert, update, delete, truncate')`,
			"event_not_published", "ok", `ALTER PUBLICATION "supabase_realtime" SET (publish = 'insert, update');`,
		},
		{
			"old rows have their key alone", onMessages + `,{"event":"DELETE","schema":"public","table":"messages","filter":"body=eq.b"}`,
			`alter table messages replica identity default`, `alter table messages replica identity full`,
			"replica_identity", "ok", `ALTER TABLE "public"."messages" REPLICA IDENTITY FULL;`,
		},
		{
			"the key has a column less", onMessages + `,{"event":"DELETE","schema":"public","table":"composed","filter":"room=eq.1"}`,
			`alter table composed drop constraint composed_pkey, add primary key (id)`, `alter table composed drop constraint composed_pkey, add primary key (id, room)`,
			"replica_identity", "ok", `ALTER TABLE "public"."composed" REPLICA IDENTITY FULL;`,
		},
		{
			"row-level security hides all rows", onMessages,
			`alter table messages enable row level security`, `alter table messages disable row level security`,
			"no_policy", "ok", `CREATE POLICY "readable by anon" ON "public"."messages" FOR SELECT TO "anon" USING (true);`,
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

// TestAnEventStreamIsToldWhatBreaksItsBinding, and when it works again.
func TestAnEventStreamIsToldWhatBreaksItsBinding(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	response, err := http.Get("http://" + s.Addr() + "/realtime/v1/sse?topic=room&table=messages&apikey=" + token(t))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer response.Body.Close()
	defer time.AfterFunc(patience, func() { response.Body.Close() }).Stop()
	lines := bufio.NewScanner(response.Body)
	hears := func(event, part string) {
		t.Helper()
		for last := ""; lines.Scan(); {
			switch field, value, _ := strings.Cut(lines.Text(), ": "); {
			case field == "event":
				last = value
			case field == "data" && last == event && strings.Contains(value, part):
				return
			}
		}
		t.Fatalf("the stream ends before %s with %s: %v", event, part, lines.Err())
	}
	hears("system", subscribed)
	db.Exec(`alter publication supabase_realtime drop table messages`)
	hears("system", `"status":"error","extension":"postgres_changes","channel":"room","code":"not_published"`)
	db.Exec(`alter publication supabase_realtime add table messages`)
	hears("system", subscribed)
	db.Exec(`insert into messages values (1, 42, 'a')`)
	hears("postgres_changes", `"body":"a"`)
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

// TestPublicationsThatDifferAreTold, and when they agree again: Postgres sends nothing of
// any table meanwhile.
func TestPublicationsThatDifferAreTold(t *testing.T) {
	db := appDatabase(t)
	if db.Server.Major < 15 {
		return // there are no lists of columns
	}
	db.Exec(`create publication second`)
	config := configFor(db)
	config.Replication.Publications = append(config.Replication.Publications, "second")
	s := startServer(t, config)
	clients := []*client{s.dial(t, "1.0.0"), s.dial(t, "2.0.0")}
	for _, c := range clients {
		c.joinBindings("realtime:room", onMessages)
	}
	db.Exec(`alter table messages replica identity default; alter publication second add table messages (id)`)
	db.Exec(`insert into messages values (1, 42, 'lost')`)
	for _, c := range clients {
		if p := c.hearsOf("publication_lists"); p.Status != "error" {
			t.Errorf("told %+v; want an error", p)
		}
	}
	db.Exec(`alter publication second drop table messages`)
	for _, c := range clients {
		if p := c.hearsOf("slot_lost"); p.Status != "ok" || !strings.HasPrefix(p.Message, "resync_required: ") {
			t.Errorf("told %+v; want a resync", p)
		}
	}
	db.Exec(`insert into messages values (2, 42, 'a')`)
	for _, c := range clients {
		c.wantChanges("INSERT 2 a")
	}
}

// TestARowFilterThatRaisesIsTold, and when it was mended: Postgres sends nothing of any
// table meanwhile, and then goes on without what it could not decode.
func TestARowFilterThatRaisesIsTold(t *testing.T) {
	db := appDatabase(t)
	if db.Server.Major < 15 {
		return // there are no row filters
	}
	db.Exec(`create table parts (id int primary key); alter publication supabase_realtime add table parts where (10 / id > 0)`)
	s := startServer(t, configFor(db))
	clients := []*client{s.dial(t, "1.0.0"), s.dial(t, "2.0.0")}
	for _, c := range clients {
		c.joinBindings("realtime:room", onMessages)
	}
	db.Exec(`insert into parts values (0)`)
	db.Exec(`insert into messages values (1, 42, 'lost')`)
	began := time.Now()
	for _, c := range clients {
		if p := c.hearsOf("publication_filter"); p.Status != "error" {
			t.Errorf("told %+v; want an error", p)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("told after %v; want 10 s at most", took)
	}
	late := s.dial(t, "2.0.0")
	late.joinBindings("realtime:late", onMessages)
	if p := late.hearsOf("publication_filter"); p.Status != "error" {
		t.Errorf("who joins meanwhile is told %+v; want an error", p)
	}
	db.Exec(`alter publication supabase_realtime set table messages, parts where (id > 0)`)
	began = time.Now()
	clients = append(clients, late)
	for _, c := range clients {
		if p := c.hearsOf("publication_filter"); p.Status != "ok" || !strings.HasPrefix(p.Message, "resync_required: ") {
			t.Errorf("told %+v; want a resync", p)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("told after %v; want 10 s at most", took)
	}
	db.Exec(`insert into parts values (0) on conflict do nothing; insert into messages values (2, 42, 'a')`)
	for _, c := range clients {
		c.wantChanges("INSERT 2 a")
	}
}
