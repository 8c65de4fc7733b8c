package devdb

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestOpenGivesEachTestItsOwnDatabase(t *testing.T) {
	a, b := Open(t), Open(t)
	if a.Name == b.Name || a.Server != b.Server {
		t.Errorf("databases %s and %s on %p and %p; want two on one server", a.Name, b.Name, a.Server, b.Server)
	}
	a.Exec("create table only_here (id int)")
	if got := query(t, b.DSN, "select count(*)::text from pg_class where relname = 'only_here'"); got != "0" {
		t.Errorf("the other database has %s such tables", got)
	}
	if got := query(t, a.DSN, "select current_database()"); got != a.Name {
		t.Errorf("DSN leads to %s; want %s", got, a.Name)
	}
}

func TestADatabaseGoesWithItsSlotsInUse(t *testing.T) {
	var name string
	var server *Server
	conn := make(chan *pgconn.PgConn, 1)
	t.Run("use", func(t *testing.T) {
		db := Open(t)
		name, server = db.Name, db.Server
		db.Exec("create publication p for all tables")
		db.Exec("select pg_create_logical_replication_slot($1, 'pgoutput')", db.Name)
		conn <- stream(t, db)
	})
	defer (<-conn).Close(context.Background())
	sql := "select count(*)::text from pg_database where datname = '" + name + "'"
	if got := query(t, server.DSN("postgres"), sql); got != "0" {
		t.Errorf("%s databases left under its name", got)
	}
}

// stream follows the slot named after the database and never ends by itself.
func stream(t *testing.T, db *DB) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.Connect(context.Background(), db.DSN+"&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	start := "START_REPLICATION SLOT " + db.Name + " LOGICAL 0/0 (proto_version '1', publication_names 'p')"
	c.Frontend().SendQuery(&pgproto3.Query{String: start})
	if err := c.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReceiveMessage(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDatabaseNameIsAnIdentifier(t *testing.T) {
	got := databaseName("TestÜber/a very long sub-test's name that goes on " + strings.Repeat("and on ", 20))
	if len(got) > 63 || strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		t.Errorf("databaseName = %q; want at most 63 of a-z, 0-9, _", got)
	}
}

func TestSupabaseRoles(t *testing.T) {
	for _, name := range []string{"one", "two"} { // roles belong to the server both use
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := Open(t)
			SupabaseRoles(db)
			SupabaseRoles(db)
			tx, err := db.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.Background())
			const claims = `{"sub":"11111111-1111-1111-1111-111111111111","role":"authenticated","email":"a@b.c"}`
			var got string
			err = tx.QueryRow(t.Context(), `
				with c as materialized (select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true))
				select concat_ws(' ', auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'sub') from c`, claims).Scan(&got)
			want := "11111111-1111-1111-1111-111111111111 authenticated a@b.c 11111111-1111-1111-1111-111111111111"
			if err != nil || got != want {
				t.Errorf("auth functions = %q, %v; want %q", got, err, want)
			}
		})
	}
}
