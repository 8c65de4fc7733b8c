package replication

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// controlPID is the server process of the reader's control connection: the
// one that holds the slot lock.
func controlPID(t *testing.T, db *devdb.DB) (pid int32) {
	t.Helper()
	err := db.Pool.QueryRow(t.Context(), `select coalesce(max(pid), 0) from pg_locks where locktype = 'advisory' and objsubid = 1
		and database = (select oid from pg_database where datname = current_database())`).Scan(&pid)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestTypesAreLookedUpThoughThePoolIsExhausted(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`create type mood as enum ('sad', 'ok'); create table moods (id int primary key, mood mood);
		alter publication pub add table moods`)
	writer, err := pgxpool.New(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(writer.Close)
	for db.Pool.Stat().AcquiredConns() < db.Pool.Config().MaxConns {
		conn, err := db.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Release)
	}
	if _, err := writer.Exec(t.Context(), `insert into moods values (1, 'ok')`); err != nil {
		t.Fatal(err)
	}
	if typ := r.want("INSERT moods 1 ok")[0].Relation.Columns[1].Type; typ.Kind != wal.KindEnum {
		t.Errorf("type = %s; want the enum", typ.Name)
	}
}

func TestTypesAreLookedUpThoughTheControlConnectionBroke(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	since := r.reader.Status().Since
	before := controlPID(t, db)
	db.Exec(`select pg_terminate_backend($1, 10000)`, before)
	db.Exec(`create type mood as enum ('sad', 'ok'); create table moods (id int primary key, mood mood);
		alter publication pub add table moods; insert into moods values (1, 'ok')`)
	if typ := r.want("INSERT moods 1 ok")[0].Relation.Columns[1].Type; typ.Kind != wal.KindEnum {
		t.Errorf("type = %s; want the enum", typ.Name)
	}
	if got := r.reader.Status().Since; got != since {
		t.Error("the stream was started anew; want it to go on")
	}
}

func TestControlGivesItsConnectionBackClean(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	if controlPID(t, db) == 0 {
		t.Error("nobody holds the slot lock")
	}
	r.stop()
	if pid := controlPID(t, db); pid != 0 {
		t.Errorf("process %d still holds the slot lock", pid)
	}
	waitFor(t, "all connections to be given back", func() bool { return db.Pool.Stat().AcquiredConns() == 0 })
	var locked, again bool
	c := &control{pool: db.Pool, slot: db.Name}
	locked, err := c.lockSlot(t.Context())
	if err != nil || !locked {
		t.Errorf("lockSlot = %v, %v; want true", locked, err)
	}
	other := &control{pool: db.Pool, slot: db.Name}
	if again, err = other.lockSlot(t.Context()); err != nil || again {
		t.Errorf("lockSlot of a second = %v, %v; want false", again, err)
	}
	c.close(t.Context())
	if again, err = other.lockSlot(t.Context()); err != nil || !again {
		t.Errorf("lockSlot of the second = %v, %v; want true after the first is gone", again, err)
	}
	other.close(t.Context())
}

func TestReaderNeedsTwoConnections(t *testing.T) {
	config, err := pgxpool.ParseConfig("postgres://localhost/app?pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := NewReader(validConfig(), changelog.New(changelog.Config{}), pool, nil, nil); err == nil || err.Error() != "pool-size: want at least 2, got 1" {
		t.Errorf("NewReader = %v; want it to name pool-size", err)
	}
}
