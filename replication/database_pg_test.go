package replication

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// awayFrom is a reader that cannot reach its database, and a connection to
// another one of the same server. Nobody is connected to the reader's.
func awayFrom(t *testing.T, db *devdb.DB) (*reading, *proxy, func(sql string)) {
	t.Helper()
	p := newProxy(t, db)
	r := startReader(t, db, holding(), through(t, p, db))
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	admin, err := pgx.Connect(t.Context(), db.Server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close(context.Background()) })
	exec := func(sql string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatalf("Exec(%s): %v", sql, err)
		}
	}
	p.stall(true)
	p.cut()
	db.Pool.Reset()
	exec(`select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '` + db.Name + `'`)
	return r, p, exec
}

// TestDatabaseRenamed: Postgres refuses to rename a database while anybody is
// connected to it. The slot goes with the database, so that all is well when the
// name is back.
func TestDatabaseRenamed(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	r, p, exec := awayFrom(t, db)
	history := r.log.History()
	exec(`alter database ` + db.Name + ` rename to elsewhere`)
	p.stall(false)
	r.until("the advice", func() bool {
		return strings.Contains(r.reader.Status().Error, `database "`+db.Name+`" does not exist: correct database-url`)
	})
	exec(`alter database elsewhere rename to ` + db.Name)
	r.waitStreaming()
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
	if got := r.log.History(); got != history {
		t.Errorf("history became %+v; want %+v still", got, history)
	}
}

// TestDatabaseDroppedAndMadeAnew loses the slot without a word: Postgres drops
// it with the database.
func TestDatabaseDroppedAndMadeAnew(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	r, p, exec := awayFrom(t, db)
	exec(`drop database ` + db.Name)
	p.stall(false)
	r.until("the advice", func() bool { return strings.Contains(r.reader.Status().Error, "does not exist") })
	exec(`create database ` + db.Name)
	createOrders(db)
	r.wantResync(changelog.CodeSlotMissing)
	r.waitStreaming()
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
}
