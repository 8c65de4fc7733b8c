package replication

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// bySocket connects as the superuser without a password.
func bySocket(t *testing.T, db *devdb.DB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%d user=postgres dbname=%s", db.Server.Dir, db.Server.Port, db.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// TestPasswordChangedWhileRunning goes on with what is connected. After the next
// interruption it says what is wrong, serves what it has, and once the old
// password is good again it has missed nothing.
func TestPasswordChangedWhileRunning(t *testing.T) {
	t.Parallel()
	db := devdb.OpenServer(t, devdb.Options{TCP: true, Password: "first"})
	admin := bySocket(t, db)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql, args...); err != nil {
			t.Fatalf("Exec(%s): %v", sql, err)
		}
	}
	exec(`create table orders (id int primary key, item text); create publication pub for table orders; create role reader login replication password 'first'`)
	u, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("reader", "first")
	pool, err := pgxpool.New(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL, s.pool = u.String(), pool })
	exec(`alter role reader password 'second'`)
	exec(`insert into orders values (1, 'a')`)
	position := r.want("INSERT orders 1 a")[0].Position
	history := r.log.History()
	exec(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader'`)
	r.until("the advice", func() bool {
		return strings.Contains(r.reader.Status().Error, `the password of role "reader" in database-url is wrong`)
	})
	exec(`insert into orders values (2, 'b')`)
	if _, err := r.log.After(t.Context(), position); err != nil {
		t.Errorf("a client cannot resume from the log meanwhile: %v", err)
	}
	exec(`alter role reader password 'first'`)
	r.want("INSERT orders 2 b")
	r.until("the error to be gone", func() bool { s := r.reader.Status(); return s.Streaming && s.Error == "" })
	if got := r.log.History(); got != history {
		t.Errorf("history became %+v; want %+v still", got, history)
	}
}

// TestWALLevelLoweredWhileRunning needs the slot to be dropped first: with one
// Postgres would not start. The reader waits and says why; what was committed
// meanwhile was never logged for it, and subscribers are told.
func TestWALLevelLoweredWhileRunning(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"wal_level": "logical"}
	db := ownServer(t, settings)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	p.stall(true) // the reader would make the slot anew
	p.cut()
	r.until("the slot to be free", func() bool { return r.slot().Holder == nil })
	db.Exec(`select pg_drop_replication_slot($1)`, db.Name)
	db.StopServer()
	p.cut()
	p.stall(false)
	settings["wal_level"] = "replica"
	db.StartServer()
	r.until("the advice", func() bool {
		return strings.Contains(r.reader.Status().Error, "wal_level must be logical and is replica: run ALTER SYSTEM SET wal_level")
	})
	db.Exec(`insert into orders values (2, 'never logged')`)
	db.StopServer()
	settings["wal_level"] = "logical"
	db.StartServer()
	r.wantResync(changelog.CodeSlotMissing)
	r.waitStreaming()
	db.Exec(`insert into orders values (3, 'c')`)
	r.want("INSERT orders 3 c")
}

func TestServerWithoutRoomIsAFatalSentence(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"max_wal_senders":       "no replication connection is free: raise max_wal_senders",
		"max_replication_slots": "raise max_replication_slots",
	} {
		t.Run(setting, func(t *testing.T) {
			db := ownServer(t, map[string]string{setting: "1"})
			taken := holdSlot(t, db)
			err := runReader(t, db, holding(), func(s *setup) { s.config.Slot = "another" }).wait()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run = %v; want %s…", err, want)
			}
			closeQuietly(taken)
		})
	}
}
