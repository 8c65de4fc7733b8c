package server

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// TestNothingIsShownByWhatNobodyLooksAtAnyMore keeps walcast from looking whether
// access has changed, while all else goes on. Rows wait then, of tables without
// row-level security too, and go by what is found in the end.
func TestNothingIsShownByWhatNobodyLooksAtAnyMore(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(`create schema app; grant usage on schema app to public;
		create table app.papers (id int primary key, body text); create table marks (id int primary key); grant select on app.papers, marks to anon;
		create publication supabase_realtime for table app.papers, marks;
		create role server login replication; grant anon, authenticated, service_role to server`)
	c := configFor(db)
	u, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("server")
	c.Replication.DatabaseURL, c.Policy.AccessAge = u.String(), 300*time.Millisecond
	s := startServer(t, c)
	reader := s.dial(t, "2.0.0")
	reader.send("1", "realtime:a", "phx_join", `{"config":{"postgres_changes":[{"event":"*","schema":"app","table":"papers"},{"event":"*","schema":"public","table":"marks"}]}}`)
	reader.wantSystem("ok", "Subscribed")
	db.Exec("insert into app.papers values (1, 'public')")
	if row := string(reader.next("postgres_changes").Payload); !strings.Contains(row, "public") {
		t.Fatalf("first row %s", row)
	}
	db.Exec("alter role server connection limit 1")
	db.Exec("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'server' and query like '%hashtextextended(concat_ws(%'")
	s.wantFailedLooks(t)
	db.Exec("revoke usage on schema app from public")
	s.wantFailedLooks(t)
	db.Exec("insert into app.papers values (2, 'secret'); insert into marks values (1)")
	s.wantFailedLooks(t)
	db.Exec("alter role server connection limit -1")
	for {
		row := string(reader.next("postgres_changes").Payload)
		if strings.Contains(row, "secret") {
			t.Fatalf("came after the schema was closed: %s", row)
		}
		if strings.Contains(row, "marks") {
			return
		}
	}
}

// wantFailedLooks waits for three more looks to fail.
func (s *running) wantFailedLooks(t *testing.T) {
	t.Helper()
	failed := func() float64 { return s.sample(t, `walcast_policy_looks_total{result="failed"}`) }
	before := failed()
	eventually(t, "three looks fail", func() bool { return failed() >= before+3 })
}
