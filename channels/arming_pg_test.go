package channels

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/protocol"
	"walcast/replication/wal"
)

const joinTables = `
	create table plain (id int primary key, note text, secret text, js json);
	revoke all on plain from anon; grant select (id, note, js) on plain to anon;
	create table unlisted (id int primary key); grant select on unlisted to anon;
	create unlogged table unlogged (id int primary key); grant select on unlogged to anon;
	create view looked as select 1 as id; grant select on looked to anon;
	create table parts (id int primary key) partition by range (id); grant select on parts to anon;
	create table part1 partition of parts for values from (0) to (10); grant select on part1 to anon;
	create table ungranted (id int primary key, note text); revoke all on ungranted from anon;
	create table keyless_grant (id int primary key, note text); revoke all on keyless_grant from anon; grant select (note) on keyless_grant to anon;
	create table unpoliced (id int primary key); grant select on unpoliced to anon; alter table unpoliced enable row level security;
	create policy other on unpoliced for select to authenticated using (true);
	create schema closed; create table closed.t (id int primary key); grant select on closed.t to anon;
	alter table closed.t enable row level security; create policy all_rows on closed.t for select to anon using (true);
	create schema "Other Schema"; create table "Other Schema"."A ""Table""" (id int primary key); grant usage on schema "Other Schema" to anon; grant select on "Other Schema"."A ""Table""" to anon`

const joinPublication = `drop publication rows;
	create publication rows for table plain, parts, ungranted, keyless_grant, unpoliced, closed.t`

const (
	sorry     = "Unable to subscribe to changes with given parameters. "
	exception = sorry + "An exception happened so please check your connect parameters: "
	notThere  = sorry + "Please check Realtime is enabled for the given connect parameters: "
)

// unworkable are bindings that cannot work, or not as one may expect, of role
// anon. Where there is SQL that cures it, it does.
var unworkable = []struct {
	name, binding      string
	status             string
	message, code, fix string // message is how it begins
}{
	{"unknown event", `{"event":"MERGE","schema":"public","table":"plain"}`, "error", "Error parsing `event` params: expected ", "invalid_binding", ""},
	{"no table", `{"event":"*","filter":"id=eq.1"}`, "error", "No subscription params provided. ", "invalid_binding", ""},
	{"unknown schema", `{"event":"*","schema":"nowhere","table":"plain"}`, "error", notThere + "[event: *, schema: nowhere, table: plain, ", "unknown_schema", ""},
	{"unknown table", `{"event":"*","schema":"public","table":"nothing"}`, "error", notThere, "unknown_table", ""},
	{"a view", `{"event":"*","schema":"public","table":"looked"}`, "error", notThere, "not_a_table", ""},
	{"table outside the publication", `{"event":"*","schema":"public","table":"unlisted"}`, "error", notThere, "not_published", `ALTER PUBLICATION "rows" ADD TABLE "public"."unlisted";`},
	{"names that need quotes", `{"event":"*","schema":"Other Schema","table":"A \"Table\""}`, "error", notThere, "not_published", `ALTER PUBLICATION "rows" ADD TABLE "Other Schema"."A ""Table""";`},
	{"unlogged table", `{"event":"*","schema":"public","table":"unlogged"}`, "error", notThere, "not_published", `ALTER TABLE "public"."unlogged" SET LOGGED; ALTER PUBLICATION "rows" ADD TABLE "public"."unlogged";`},
	{"partitioned table whose leaves are published", `{"event":"*","schema":"public","table":"parts"}`, "error", notThere, "not_published", `ALTER PUBLICATION "rows" SET (publish_via_partition_root = true);`},
	{"partition of a root that is published", `{"event":"*","schema":"public","table":"part1"}`, "error", notThere, "not_published", `ALTER PUBLICATION "rows" SET (publish_via_partition_root = false);`},
	{"unknown column in the filter", `{"event":"*","schema":"public","table":"plain","filter":"nope=eq.1"}`, "error", exception, "unknown_column", ""},
	{"unknown column in select", `{"event":"*","schema":"public","table":"plain","select":["nope"]}`, "error", exception, "unknown_column", ""},
	{"column without a grant in the filter", `{"event":"INSERT","schema":"public","table":"plain","filter":"secret=eq.x"}`, "error", exception, "column_not_granted", `GRANT SELECT ("secret") ON "public"."plain" TO "anon";`},
	{"unknown operator", `{"event":"*","schema":"public","table":"plain","filter":"id=is_near.1"}`, "error", "Error parsing `filter` params: [\"is_near\", \"1\"]", "unknown_operator", ""},
	{"no condition", `{"event":"*","schema":"public","table":"plain","filter":"id"}`, "error", "Error parsing `filter` params: ", "invalid_filter", ""},
	{"an operator that the type lacks", `{"event":"*","schema":"public","table":"plain","filter":"js=eq.{}"}`, "error", exception, "unknown_operator", ""},
	{"unsuitable literal", `{"event":"*","schema":"public","table":"plain","filter":"id=eq.one"}`, "error", exception, "invalid_value", ""},
	{"no grant", `{"event":"*","schema":"public","table":"ungranted"}`, "ok", `warning: role "anon" may not SELECT from "public"."ungranted"`, "not_granted", `GRANT SELECT ON "public"."ungranted" TO "anon";`},
	{"no grant on the key", `{"event":"*","schema":"public","table":"keyless_grant"}`, "ok", `warning: role "anon" may not SELECT the key of`, "key_not_granted", `GRANT SELECT ("id") ON "public"."keyless_grant" TO "anon";`},
	{"no policy for the role", `{"event":"*","schema":"public","table":"unpoliced"}`, "ok", `warning: row-level security of "public"."unpoliced" has no policy`, "no_policy", `CREATE POLICY "readable" ON "public"."unpoliced" FOR SELECT TO "anon" USING (true);`},
	{"no way into the schema", `{"event":"*","schema":"closed","table":"t"}`, "ok", `warning: role "anon" may not use schema "closed"`, "schema_not_granted", `GRANT USAGE ON SCHEMA "closed" TO "anon";`},
	{"replica identity too narrow for DELETE", `{"event":"DELETE","schema":"public","table":"plain","filter":"note=eq.x"}`, "ok", `warning: DELETE on "public"."plain" never matches the filter on "note"`, "replica_identity", `ALTER TABLE "public"."plain" REPLICA IDENTITY FULL;`},
}

func TestBindingsThatCannotWorkSayWhyAndWhatHelps(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), joinTables)
	f.hub.arming.tables.believed = 50 * time.Millisecond
	f.run()
	f.db.Exec(joinPublication)
	for _, c := range unworkable {
		t.Run(c.name, func(t *testing.T) {
			told := f.joined(c.binding)[0]
			if got := told["message"].(string); told["status"] != c.status || !strings.HasPrefix(got, c.message) {
				t.Errorf("told %v: %s\nwant %s: %s…", told["status"], got, c.status, c.message)
			}
			fix, _ := told["fix"].(string)
			if told["code"] != c.code || fix != c.fix {
				t.Errorf("code %v, fix %s\nwant %s, %s", told["code"], fix, c.code, c.fix)
			}
			if c.fix == "" {
				return
			}
			f.db.Exec(c.fix)
			want := map[string]any{"message": protocol.MessageSubscribed, "status": "ok", "extension": "postgres_changes", "channel": "room"}
			if diff := cmp.Diff(want, f.joinedAgain(c.binding, told["message"])); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", c.fix, diff)
			}
		})
	}
}

// joinedAgain joins until it hears something else: what the hub knows of a table
// is a moment old at most.
func (f *fixture) joinedAgain(binding string, unlike any) map[string]any {
	for deadline := time.Now().Add(patient); ; {
		told := f.joined(binding)[0]
		if told["message"] != unlike || time.Now().After(deadline) {
			return told
		}
		<-time.After(20 * time.Millisecond)
	}
}

// joined joins with a binding and returns what the channel is told of it.
func (f *fixture) joined(binding string) (told []map[string]any) {
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(binding))
	for _, m := range c.waitFor(protocol.EventSystem, 1) {
		told = append(told, m.payload)
	}
	return told
}

func TestARoleThatIsNoneSaysSo(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	c := f.connect("nobody", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages"}`))
	told := c.waitFor(protocol.EventSystem, 1)[0].payload
	if told["code"] != "unknown_role" || told["fix"] != `CREATE ROLE "nobody" NOLOGIN;` || told["status"] != "error" {
		t.Errorf("told %v; want unknown_role", told)
	}
}

// TestWildcardsDoNotWarnOfWhatTheyLeaveOut: who asks for all tables wants those
// that it may see.
func TestWildcardsDoNotWarnOfWhatTheyLeaveOut(t *testing.T) {
	f := newFixture(t, DefaultConfig(), joinTables)
	for _, binding := range []string{`{"event":"*","schema":"public"}`, `{"event":"*","schema":"*","table":"*"}`, `{"event":"*","schema":"*","table":"unpoliced"}`} {
		if told := f.joined(binding); told[0]["message"] != protocol.MessageSubscribed {
			t.Errorf("%s is told %v; want %s", binding, told[0]["message"], protocol.MessageSubscribed)
		}
	}
}

const twoTables = `create table here (id int primary key); grant select on here to anon`

// later makes a table and publishes it.
func (f *fixture) later(t *testing.T) *wal.Relation {
	f.db.Exec(`create table later (id int primary key); grant select on later to anon; alter publication rows add table later`)
	return f.relation("later")
}

// TestRowsOfATableThatIsPublishedLaterComeWithoutARejoin: the first row shows
// that it is there.
func TestRowsOfATableThatIsPublishedLaterComeWithoutARejoin(t *testing.T) {
	f := newFixture(t, DefaultConfig(), twoTables)
	f.db.Exec("drop publication rows; create publication rows for table here")
	here := f.relation("here")
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"here"},{"event":"*","schema":"public","table":"later"}`))
	if told := c.waitFor(protocol.EventSystem, 1)[0].payload; told["code"] != "unknown_table" {
		t.Fatalf("told %v; want unknown_table", told)
	}
	f.commit(insert(here, "1")) // upstream: none of a channel's bindings is active if one is not
	later := f.later(t)
	f.commit(insert(here, "2"), insert(later, "3"), insert(here, "4"))
	if diff := cmp.Diff([]any{3.0, 4.0}, records(c.waitFor(protocol.EventPostgresChanges, 2), "id")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if told := c.waitFor(protocol.EventSystem, 2)[1].payload; told["message"] != protocol.MessageSubscribed {
		t.Errorf("then told %v; want %s", told, protocol.MessageSubscribed)
	}
}

// TestAChannelIsToldWhenItsTableIsPublished though no row comes.
func TestAChannelIsToldWhenItsTableIsPublished(t *testing.T) {
	f := newFixture(t, DefaultConfig(), twoTables)
	f.db.Exec("drop publication rows; create publication rows for table here")
	here := f.relation("here")
	c, gone := f.connect("anon", ""), f.connect("anon", "")
	for _, client := range []*client{c, gone} {
		client.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"here"},{"event":"*","schema":"public","table":"later"}`))
		client.waitFor(protocol.EventSystem, 1)
	}
	gone.session.Close()
	f.later(t)
	f.hub.arming.look(t.Context())
	if told := c.waitFor(protocol.EventSystem, 2)[1].payload; told["message"] != protocol.MessageSubscribed {
		t.Errorf("told %v; want %s", told, protocol.MessageSubscribed)
	}
	f.commit(insert(here, "5"))
	if diff := cmp.Diff([]any{5.0}, records(c.waitFor(protocol.EventPostgresChanges, 1), "id")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if f.hub.arming.absentees.any() {
		t.Error("channels still wait for a table that is there")
	}
}
