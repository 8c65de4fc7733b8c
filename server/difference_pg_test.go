package server

import (
	"fmt"
	"strings"
	"testing"

	"walcast/internal/devdb"
)

// wantSystem waits for a system event of a status with a text.
func (c *client) wantSystem(status, text string) {
	c.t.Helper()
	for {
		got := string(c.next("system").Payload)
		if strings.Contains(got, `"status":"`+status+`"`) && strings.Contains(got, text) {
			return
		}
		c.t.Logf("passed over: system %s", got)
	}
}

// TestWhileTheDatabaseIsAway stops Postgres under joined clients: public
// channels go on, and can be joined; bindings are told, and rows come again by
// themselves when it is back.
func TestWhileTheDatabaseIsAway(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	db.Exec(`create table others (id int primary key, body text); grant select on others to anon; alter publication supabase_realtime add table others`)
	s := startServer(t, configFor(db))
	early := s.dial(t, "2.0.0")
	early.join("realtime:early", "channel_id=eq.42")
	db.StopServer()
	late := s.dial(t, "1.0.0")
	late.send("1", "realtime:late", "phx_join", `{"config":{"broadcast":{"self":true},"postgres_changes":[{"event":"*","schema":"public","table":"others"}]}}`)
	if reply := string(late.next("phx_reply").Payload); !strings.Contains(reply, `"status":"ok"`) {
		t.Errorf("join without the database = %s, want ok", reply)
	}
	late.wantSystem("ok", "warning: Realtime was unable to connect to the project database")
	late.send("2", "realtime:late", "broadcast", `{"type":"broadcast","event":"e","payload":{"still":"here"}}`)
	if got := string(late.next("broadcast").Payload); !strings.Contains(got, `"still":"here"`) {
		t.Errorf("broadcast = %s, want what was sent", got)
	}
	late.send("3", "realtime:waits", "phx_join", `{"config":{"postgres_changes_options":{"wait":true,"timeout":2000},"postgres_changes":[{"event":"*","schema":"public","table":"others"}]}}`)
	if reply := string(late.next("phx_reply").Payload); !strings.Contains(reply, `"PostgresChangesSubscribeTimeout: Timed out after 2000ms `) || !strings.Contains(reply, `"code":"database_away"`) {
		t.Errorf("join that waits without the database = %s, want it refused when its time is over", reply)
	}
	db.StartServer()
	late.wantSystem("ok", "Subscribed to PostgreSQL")
	db.Exec(`insert into messages values (1, 42, 'back'); insert into others values (1, 'back')`)
	late.wantChanges("INSERT 1 back")
	early.wantChanges("INSERT 1 back")
}

// TestTruncateGoesToWhoAsksForIt: the event * does not include TRUNCATE, as it
// never did upstream.
func TestTruncateGoesToWhoAsksForIt(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	all, truncate := s.dial(t, "2.0.0"), s.dial(t, "2.0.0")
	all.join("realtime:all", "channel_id=gt.0")
	truncate.send("1", "realtime:truncate", "phx_join", `{"config":{"postgres_changes":[{"event":"TRUNCATE","schema":"public","table":"messages"}]}}`)
	truncate.next("system")
	db.Exec(`insert into messages values (1, 42, 'a')`)
	db.Exec(`truncate messages`)
	db.Exec(`insert into messages values (2, 42, 'b')`)
	all.wantChanges("INSERT 1 a", "INSERT 2 b")
	truncate.wantChanges("TRUNCATE 0")
}

// TestPublicationsAreRespected: their root option, and from Postgres 15 on their
// row filters and column lists.
func TestPublicationsAreRespected(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`create table messages (id int not null, channel_id int not null, body text, primary key (id, channel_id)) partition by range (channel_id)`)
	db.Exec(`create table messages_1 partition of messages for values from (0) to (100)`)
	db.Exec(`grant select on messages, messages_1 to anon`)
	var filters bool
	if err := db.Pool.QueryRow(t.Context(), `select current_setting('server_version_num')::int >= 150000`).Scan(&filters); err != nil {
		t.Fatal(err)
	}
	published, body := "messages", "x"
	if filters {
		published, body = "messages (id, channel_id) where (id > 10)", ""
	}
	db.Exec(fmt.Sprintf(`create publication supabase_realtime for table %s with (publish_via_partition_root)`, published))
	s := startServer(t, configFor(db))
	c := s.dial(t, "2.0.0")
	c.join("realtime:root", "channel_id=eq.42")
	db.Exec(`insert into messages values (11, 42, 'x')`)
	if filters {
		db.Exec(`insert into messages values (1, 42, 'x')`)
	}
	db.Exec(`insert into messages values (12, 42, 'x')`)
	c.wantChanges(strings.TrimSpace("INSERT 11 "+body), strings.TrimSpace("INSERT 12 "+body))
}

// TestRefusedJoinsHoldNothingUp: each of many is answered at once, and so is
// what comes after them. Upstream takes five seconds each.
func TestRefusedJoinsHoldNothingUp(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := s.dial(t, "2.0.0")
	const joins = 100
	for i := range joins {
		c.send(fmt.Sprint(i), fmt.Sprintf("realtime:r%d", i), "phx_join", `{"config":{},"access_token":"x.y.z"}`)
	}
	c.send("h", "phoenix", "heartbeat", `{}`)
	for i := range joins {
		if got := string(c.next("phx_reply").Payload); !strings.Contains(got, "MalformedJWT: The token provided is not a valid JWT") {
			t.Fatalf("answer to join %d = %s, want the reason", i, got)
		}
	}
	if got := string(c.next("phx_reply").Payload); got != `{"status":"ok","response":{}}` {
		t.Errorf("answer to the heartbeat = %s, want ok", got)
	}
}
