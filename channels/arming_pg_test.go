package channels

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/wal"
)

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

// TestWildcardsDoNotWarnOfWhatTheyLeaveOut: a client that asks for all tables
// means the tables that it may see.
func TestWildcardsDoNotWarnOfWhatTheyLeaveOut(t *testing.T) {
	f := newFixture(t, DefaultConfig(), twoTables,
		`create table unpoliced (id int primary key); grant select on unpoliced to anon; alter table unpoliced enable row level security`)
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
	return f.Relation("later")
}

// TestRowsOfATableThatIsPublishedLaterComeWithoutARejoin: the first row shows
// that it is there.
func TestRowsOfATableThatIsPublishedLaterComeWithoutARejoin(t *testing.T) {
	f := newFixture(t, DefaultConfig(), twoTables)
	f.db.Exec("drop publication rows; create publication rows for table here")
	here := f.Relation("here")
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"here"},{"event":"*","schema":"public","table":"later"}`))
	if told := c.waitFor(protocol.EventSystem, 1)[0].payload; told["code"] != "unknown_table" {
		t.Fatalf("told %v; want unknown_table", told)
	}
	f.Commit(logtest.Insert(here, "1")) // upstream: none of a channel's bindings is active if one is not
	later := f.later(t)
	f.Commit(logtest.Insert(here, "2"), logtest.Insert(later, "3"), logtest.Insert(here, "4"))
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
	here := f.Relation("here")
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
	f.Commit(logtest.Insert(here, "5"))
	if diff := cmp.Diff([]any{5.0}, records(c.waitFor(protocol.EventPostgresChanges, 1), "id")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if f.hub.arming.waiting.any() {
		t.Error("channels still wait for a table that is there")
	}
}
