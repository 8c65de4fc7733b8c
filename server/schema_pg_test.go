package server

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"walcast/internal/await"
	"walcast/internal/devdb"
	"walcast/migrations"
)

func TestWithoutTheSchemaAPrivateJoinIsToldWhatToRun(t *testing.T) {
	s := startServer(t, configFor(appDatabase(t)))
	c := s.dial(t, "2.0.0")
	c.send("1", "realtime:room", "phx_join", `{"config":{"private":true}}`)
	reply := string(c.next("phx_reply").Payload)
	if !strings.Contains(reply, `"status":"error"`) || !strings.Contains(reply, "walcast migrate") {
		t.Errorf("reply = %s; want a refusal that says what to run", reply)
	}
	c.send("2", "realtime:public", "phx_join", `{"config":{"private":false}}`)
	if reply := string(c.next("phx_reply").Payload); !strings.Contains(reply, `"status":"ok"`) {
		t.Errorf("reply to a public join = %s; want ok", reply)
	}
}

func TestMigrateAtTheStart(t *testing.T) {
	db := appDatabase(t)
	c := configFor(db)
	c.Migrate = true
	for range 2 { // the second time there is nothing to do
		log := await.NewOutput() // of the upkeep, which begins while the schema is made
		s := launchLogging(t, c, slog.New(slog.NewTextHandler(log, nil))).await(t)
		client := s.dial(t, "1.0.0")
		client.send("1", "realtime:room", "phx_join", `{"config":{"broadcast":{"replication_ready":true}}}`)
		if system := string(client.next("system").Payload); !strings.Contains(system, "Replication connection established") {
			t.Fatalf("system = %s", system)
		}
		db.Exec(`select realtime.send('{"n":1}', 'e', 'room', false)`)
		if got := string(client.next("broadcast").Payload); !strings.Contains(got, `"n": 1`) {
			t.Errorf("broadcast = %s", got)
		}
		if err := s.stop(); err != nil {
			t.Fatalf("stop: %v", err)
		}
		if strings.Contains(log.String(), "partitions of realtime.messages not") {
			t.Errorf("the start warns of the schema that it makes:\n%s", log)
		}
	}
	var partitions int
	if err := db.Pool.QueryRow(t.Context(), `select count(*) from pg_inherits where inhparent = 'realtime.messages'::regclass`).Scan(&partitions); err != nil || partitions < 3 {
		t.Errorf("%d partitions, %v", partitions, err)
	}
}

// TestSupabasesPublication has partitions published by their own names, as
// Supabase's server does it.
func TestSupabasesPublication(t *testing.T) {
	db := appDatabase(t)
	c := configFor(db)
	c.Migrate = true
	if err := startServer(t, c).stop(); err != nil {
		t.Fatal(err)
	}
	db.Exec(`alter publication ` + migrations.Publication + ` set (publish_via_partition_root = false, publish = 'insert, update, delete')`)
	s := startServer(t, c)
	client := s.dial(t, "1.0.0")
	client.send("1", "realtime:room", "phx_join", `{"config":{}}`)
	client.next("phx_reply")
	db.Exec(`select realtime.send('{"n":2}', 'e', 'room', false)`)
	if got := string(client.next("broadcast").Payload); !strings.Contains(got, `"n": 2`) {
		t.Errorf("broadcast = %s", got)
	}
}

// The schema may be made while a server runs. When its messages are read is a
// matter of the reader, see replication.
func TestPrivateChannelsWorkOnceTheSchemaIsMade(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	migrate(t, db)
	db.Exec(`create policy everybody on realtime.messages for all to anon using (true) with check (true)`)
	private := s.dial(t, "1.0.0")
	private.send("1", "realtime:room", "phx_join", `{"config":{"private":true}}`)
	if reply := string(private.next("phx_reply").Payload); !strings.Contains(reply, `"status":"ok"`) {
		t.Errorf("reply to a private join = %s; want ok", reply)
	}
}

// migrate makes the schema as walcast migrate does.
func migrate(t *testing.T, db *devdb.DB) {
	t.Helper()
	conn, err := db.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := migrations.Apply(t.Context(), conn.Conn(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

func TestPartitionsAreKeptAheadByWhoServes(t *testing.T) {
	db := appDatabase(t)
	migrate(t, db)
	tomorrow := time.Now().UTC().AddDate(0, 0, 1).Format("messages_2006_01_02")
	old := time.Now().UTC().AddDate(0, 0, -9).Format("messages_2006_01_02")
	db.Exec(`drop table realtime.` + tomorrow)
	db.Exec(fmt.Sprintf(`create table realtime.%s partition of realtime.messages for values from (current_date - 9) to (current_date - 8)`, old))
	startServer(t, configFor(db)) // without --migrate
	const exist = `select to_regclass('realtime.' || $1) is not null, to_regclass('realtime.' || $2) is not null`
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		var made, there bool
		if err := db.Pool.QueryRow(t.Context(), exist, tomorrow, old).Scan(&made, &there); err != nil {
			t.Fatal(err)
		}
		if made && !there {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is there: %t, %s is there: %t; want the first only", tomorrow, made, old, there)
		}
	}
}
