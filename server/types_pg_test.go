package server

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// TestValuesAreOfTheTypesOfNow changes types, of which the WAL says nothing, before
// anybody has joined and afterwards.
func TestValuesAreOfTheTypesOfNow(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`create type price as (net int, gross int); create type mood as enum ('sad', 'ok');
		create table goods (id serial primary key, price price, moods mood[]); grant select on goods to anon;
		create publication supabase_realtime for table goods`)
	s := startServer(t, configFor(db))
	add := func() {
		db.Exec("insert into goods (price, moods) values (row(1, 2), array[(enum_range(null::mood))[2]])")
	}
	add()
	db.Exec("alter type price rename attribute net to base")
	c := s.dial(t, "2.0.0")
	c.send("1", "realtime:goods", "phx_join", `{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"goods"}]}}`)
	c.wantSystem("ok", "Subscribed")
	values := func() string {
		add()
		var p struct {
			Data struct {
				Record struct{ Price, Moods json.RawMessage }
			}
		}
		if err := json.Unmarshal(c.next("postgres_changes").Payload, &p); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s", p.Data.Record.Price, p.Data.Record.Moods)
	}
	want := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
			got := values()
			if got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("values %s; want %s", got, want)
			}
		}
	}
	want(`{"base":1,"gross":2} ["ok"]`)
	db.Exec("alter type price rename attribute gross to total")
	want(`{"base":1,"total":2} ["ok"]`)
	db.Exec("alter type price drop attribute base; alter type price add attribute currency text")
	want(`{"total":1,"currency":"2"} ["ok"]`)
	db.Exec("alter type mood rename value 'ok' to 'fine'; grant select on goods to authenticated")
	want(`{"total":1,"currency":"2"} ["fine"]`)
}
