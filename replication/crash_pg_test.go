package replication

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

// writeThrough inserts the numbers from 1 to last, one a transaction, however
// often the server dies. A number whose commit was not answered is tried again.
func writeThrough(ctx context.Context, db *devdb.DB, last int) error {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.Background())
		}
	}()
	for n := 1; n <= last; {
		if ctx.Err() != nil {
			return fmt.Errorf("write %d: %w", n, ctx.Err())
		}
		var err error
		if conn == nil || conn.IsClosed() {
			if conn, err = pgx.Connect(ctx, db.DSN); err != nil {
				conn = nil
				continue
			}
		}
		if _, err = conn.Exec(ctx, `insert into orders values ($1) on conflict do nothing`, n); err == nil {
			n++
		}
	}
	return nil
}

// TestNothingIsLostOrRepeatedWhenPostgresIsKilledUnderLoad kills the whole
// server with SIGKILL while transactions come as fast as they can.
func TestNothingIsLostOrRepeatedWhenPostgresIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	const last, kills = 2000, 4
	db := ownServer(t, nil)
	r := startReader(t, db, holding())
	history := r.log.History()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	written := make(chan error, 1)
	go func() { written <- writeThrough(ctx, db, last) }()
	for n := 1; n <= last; n++ {
		if got, want := describeChange(r.next(1)[0]), fmt.Sprintf("INSERT orders %d null", n); got != want {
			t.Fatalf("change %d is %s; want %s", n, got, want)
		}
		if n%(last/(kills+1)) == 0 && n < last {
			db.Server.Kill()
			db.StartServer()
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if got := r.log.History(); got != history {
		t.Errorf("history became %+v; want %+v still", got, history)
	}
}
