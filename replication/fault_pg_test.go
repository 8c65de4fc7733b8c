package replication

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

func TestWrongWALLevelIsAFatalSentence(t *testing.T) {
	t.Parallel()
	db := ownServer(t, map[string]string{"wal_level": "replica"})
	err := runReader(t, db, holding()).wait()
	if want := "wal_level must be logical and is replica: run ALTER SYSTEM SET wal_level = 'logical'"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Run = %v; want %s…", err, want)
	}
}

// as is the DSN of a database for another role.
func as(t *testing.T, db *devdb.DB, role string) string {
	t.Helper()
	u, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}

// role makes a role named after the database, gone with the test.
func role(t *testing.T, db *devdb.DB, attributes string) string {
	t.Helper()
	name := "r_" + db.Name
	db.Exec("create role " + name + " login " + attributes)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.Background(), db.Server.DSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "drop role "+name); err != nil {
			t.Errorf("drop role: %v", err)
		}
	})
	return name
}

func TestRoleWithoutReplicationIsAFatalSentence(t *testing.T) {
	t.Parallel()
	db := orders(t)
	name := role(t, db, "")
	err := runReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = as(t, db, name) }).wait()
	if want := `role "` + name + `" may not replicate: ALTER ROLE "` + name + `" REPLICATION`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Run = %v; want %s…", err, want)
	}
}

// TestRoleWithReplicationNeedsNothingElse reads a table on which the role has
// no right, as the streams of Postgres do.
func TestRoleWithReplicationNeedsNothingElse(t *testing.T) {
	t.Parallel()
	db := orders(t)
	name := role(t, db, "replication")
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = as(t, db, name) })
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	r.stop()
}

func TestUnknownDatabaseAndRoleAreFatalSentences(t *testing.T) {
	t.Parallel()
	db := orders(t)
	err := runReader(t, db, holding(), func(s *setup) {
		s.config.DatabaseURL = strings.Replace(db.DSN, "/"+db.Name+"?", "/nowhere?", 1)
	}).wait()
	if err == nil || !strings.HasPrefix(err.Error(), `database "nowhere" does not exist: correct database-url`) {
		t.Errorf("Run = %v; want it to name the database", err)
	}
	err = runReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = as(t, db, "nobody_here") }).wait()
	if err == nil || !strings.Contains(err.Error(), "check the role in database-url") {
		t.Errorf("Run = %v; want it to doubt the role", err)
	}
}

func TestAfterStreamingOnceNothingIsFatal(t *testing.T) {
	t.Parallel()
	db := orders(t)
	name := role(t, db, "replication")
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = as(t, db, name) })
	db.Exec(`alter role ` + name + ` noreplication`)
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a") // an open stream is not asked again
	db.Exec(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1`, db.Name)
	r.until("the advice", func() bool { return strings.Contains(r.reader.Status().Error, "ALTER ROLE") })
	db.Exec(`insert into orders values (2, 'b')`)
	db.Exec(`alter role ` + name + ` replication`)
	r.want("INSERT orders 2 b")
	r.until("the error to be gone", func() bool { s := r.reader.Status(); return s.Streaming && s.Error == "" })
	r.stop()
}

func TestCheckFailover(t *testing.T) {
	cases := []struct {
		server server
		wanted bool
		want   string
	}{
		{server{version: 160014}, false, ""},
		{server{version: 170000}, true, ""},
		{server{version: 160014}, true, "slot-failover needs Postgres 17 or newer and this is 16.14"},
		{server{version: 180004, isStandby: true}, true, "slot-failover is for the primary's slot"},
	}
	for _, c := range cases {
		err := c.server.checkFailover(c.wanted)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("checkFailover(%v) of %+v = %v; want %s…", c.wanted, c.server, err, c.want)
		}
	}
}

func TestServerCheck(t *testing.T) {
	cases := []struct {
		server server
		want   string
	}{
		{server{version: 140000, walLevel: "logical"}, ""},
		{server{version: 180004, walLevel: "logical", isStandby: true}, ""},
		{server{version: 130022, walLevel: "logical"}, "Postgres 13.22 is too old: walcast needs 14 or newer"},
		{server{version: 150003, walLevel: "minimal"}, "wal_level must be logical and is minimal"},
		{server{version: 150003, walLevel: "logical", isStandby: true}, "database-url leads to a standby"},
	}
	for _, c := range cases {
		err := c.server.check()
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("check of %+v = %v; want %s…", c.server, err, c.want)
		}
	}
}
