package devdb

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// TB is what Open needs of a *testing.T, *testing.B or *testing.F.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// cleanupLimit bounds what a test waits for after its end.
const cleanupLimit = 20 * time.Second

// shared is the one server of a test binary: a start costs half a second, so
// tests share it. It is the only state of this package.
var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// count makes the names of databases unique.
var count atomic.Int64

// DB is a test's own database, gone when the test ends.
type DB struct {
	Name   string // unique; also good as the name of a slot or a role
	DSN    string
	Pool   *pgxpool.Pool
	Server *Server

	t TB
}

// Open returns a fresh database on the server that the tests of this binary
// share. Tests that stop or restart the server use OpenServer.
func Open(t TB) *DB {
	t.Helper()
	return OpenWith(t, "")
}

// OpenWith is Open with what CREATE DATABASE is to be told, such as the encoding.
func OpenWith(t TB, options string) *DB {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = Start(context.Background(), Options{}) })
	if shared.err != nil {
		t.Fatalf("start Postgres: %v", shared.err)
	}
	db := open(t, shared.server, options)
	t.Cleanup(db.drop)
	return db
}

// OpenServer returns a fresh database on a server of its own.
func OpenServer(t TB, o Options) *DB {
	t.Helper()
	s, err := Start(context.Background(), o)
	if err != nil {
		t.Fatalf("start Postgres: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop Postgres: %v", err)
		}
	})
	db := open(t, s, "")
	t.Cleanup(db.Pool.Close)
	return db
}

// runner is *testing.M.
type runner interface{ Run() int }

// Main wraps a *testing.M so that the shared server stops when the tests have
// run, before goleak looks for what they left.
func Main(m runner) runner { return stopping{m} }

type stopping struct{ m runner }

func (s stopping) Run() int {
	code := s.m.Run()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop Postgres:", err)
		return max(code, 1)
	}
	return code
}

// open creates the database and its pool.
func open(t TB, s *Server, options string) *DB {
	t.Helper()
	ctx := context.Background()
	db := &DB{Name: databaseName(t.Name()), Server: s, t: t}
	db.DSN = s.DSN(db.Name)
	if err := db.admin(ctx, "create database "+db.Name+" "+options); err != nil {
		t.Fatalf("create database %s: %v", db.Name, err)
	}
	var err error
	if db.Pool, err = newPool(ctx, db.DSN); err != nil {
		t.Fatalf("open pool on %s: %v", db.Name, err)
	}
	return db
}

// newPool is connections that have a name, as a process without one may be a walcast whose
// name is hidden.
func newPool(ctx context.Context, dsn string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.ConnConfig.RuntimeParams["application_name"] = "devdb"
	return pgxpool.NewWithConfig(ctx, config)
}

// databaseName is an identifier that needs no quotes, under 63 bytes.
func databaseName(test string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(strings.TrimPrefix(test, "Test")))
	return fmt.Sprintf("t%d_%.40s", count.Add(1), clean)
}

// Exec runs one statement, or several without arguments, and ends the test if
// it fails.
func (db *DB) Exec(sql string, args ...any) {
	db.t.Helper()
	if _, err := db.Pool.Exec(context.Background(), sql, args...); err != nil {
		db.t.Fatalf("Exec(%s): %v", sql, err)
	}
}

// admin runs a statement in the maintenance database.
func (db *DB) admin(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, db.Server.socketDSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// drop removes slots and database. Slots count against the server's limit and
// keep a database from being dropped.
func (db *DB) drop() {
	db.Pool.Close()
	ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
	defer cancel()
	err := db.admin(ctx, dropSlots(db.Name), "drop database "+db.Name+" with (force)")
	if err != nil {
		db.t.Errorf("drop database %s: %v", db.Name, err)
	}
}

// dropSlots ends the processes that use the slots of a database and drops them; the loop
// waits for an ended walsender to let go.
func dropSlots(database string) string {
	return fmt.Sprintf(`do $$
	declare s record;
	begin
		loop
			for s in select slot_name, active_pid from pg_replication_slots where database = '%[1]s' loop
				if s.active_pid is null then
					perform pg_drop_replication_slot(s.slot_name);
				else
					perform pg_terminate_backend(s.active_pid);
				end if;
			end loop;
			exit when not exists (select from pg_replication_slots where database = '%[1]s');
			perform pg_sleep(0.01);
		end loop;
	end $$`, database)
}
