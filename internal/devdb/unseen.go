package devdb

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// CommitUnseen commits statements of which nobody sees anything until they are
// released, though they are in the WAL: their commit waits for a standby that never
// comes. The server's synchronous_standby_names must name one, and synchronous_commit
// be local, so that other commits do not wait.
func (db *DB) CommitUnseen(sql string) (release func()) {
	db.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		db.t.Fatalf("connect: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "set synchronous_commit = on; begin; "+sql+"; commit")
		done <- errors.Join(err, conn.Close(ctx))
	}()
	pid := conn.PgConn().PID()
	db.awaitStandbyWait(ctx, pid)
	return func() {
		db.t.Helper()
		db.Exec("select pg_cancel_backend($1)", pid)
		if err := <-done; err != nil {
			db.t.Errorf("%s: %v", sql, err)
		}
	}
}

// awaitStandbyWait returns when a commit waits for a standby.
func (db *DB) awaitStandbyWait(ctx context.Context, pid uint32) {
	db.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, cleanupLimit)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for waits := false; !waits; <-look.C {
		err := db.Pool.QueryRow(ctx, "select wait_event = 'SyncRep' is true from pg_stat_activity where pid = $1", pid).Scan(&waits)
		if ctx.Err() != nil {
			db.t.Fatalf("the commit does not wait for a standby: %v", err)
		}
	}
}
