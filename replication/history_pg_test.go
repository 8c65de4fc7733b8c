package replication

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// promote makes the server a standby of nobody and promotes it, which starts a
// new timeline that has all of the old one.
func promote(t *testing.T, db *devdb.DB) {
	t.Helper()
	signal := filepath.Join(db.Server.Data, "standby.signal")
	if err := os.WriteFile(signal, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(signal, 0o666); err != nil { // the server runs as somebody else and removes it
		t.Fatal(err)
	}
	db.StartServer()
	db.Exec(`select pg_promote()`)
}

func TestPromotionThatHasEverythingGoesOn(t *testing.T) {
	t.Parallel()
	db := ownServer(t, map[string]string{"hot_standby": "on"})
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	history := r.log.History()
	given := changelog.Named{Position: r.log.Head(), Provenance: r.log.Provenance(r.log.Head())}
	db.StopServer()
	promote(t, db)
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b") // and no resync
	// A stream that has begun before the promotion goes on, and is of the first timeline.
	since := r.reader.Status().Since
	db.Exec(`select pg_terminate_backend(active_pid) from pg_replication_slots where active`)
	r.until("the next stream", func() bool { return r.reader.Status().Streaming && r.reader.Status().Since != since })
	db.Exec(`insert into orders values (3, 'c')`)
	r.want("INSERT orders 3 c")
	if got := r.log.History(); got != history {
		t.Errorf("history became %+v; want %+v still", got, history)
	}
	newest := changelog.Named{Position: r.log.Head(), Provenance: given.Provenance}
	if _, err := r.log.Locate([]changelog.Named{newest}); err != nil || given.Provenance.Timeline != 1 {
		t.Errorf("a client that was here over the promotion, with %+v, is told: %v", newest, err)
	}
	if got := r.log.Provenance(newest.Position).Timeline; got != 2 {
		t.Errorf("positions are of timeline %d; want 2", got)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = startReader(t, db, holding())
	if _, err := r.log.Locate([]changelog.Named{given}); err != nil {
		t.Errorf("a client from before the promotion is told by the next run: %v", err)
	}
	// As if the first timeline had been written to for longer, and that is lost.
	var resync *changelog.ResyncError
	if _, err := r.log.Locate([]changelog.Named{newest}); !errors.As(err, &resync) || resync.Code != changelog.CodeDiverged {
		t.Errorf("a client from beyond the end of its timeline: %v; want it to be told %s", err, changelog.CodeDiverged)
	}
	if file := walFile(t, db); !strings.HasPrefix(file, "00000002") {
		t.Errorf("the server writes %s; want a file of timeline 2", file)
	}
}

// walFile is the file that the server writes to; its name begins with the
// timeline.
func walFile(t *testing.T, db *devdb.DB) (name string) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), `select pg_walfile_name(pg_current_wal_lsn())`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestServerPutBackToAnOlderState restores a copy of the data that lacks what
// has been delivered, once as it is and once promoted to a new timeline.
func TestServerPutBackToAnOlderState(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T, *devdb.DB){"same timeline": func(_ *testing.T, db *devdb.DB) { db.StartServer() }, "promoted": promote} {
		t.Run(name, func(t *testing.T) {
			db := ownServer(t, map[string]string{"hot_standby": "on"})
			r := startReader(t, db, holding())
			db.Exec(`insert into orders values (1, 'a')`)
			r.want("INSERT orders 1 a")
			db.StopServer()
			copied := filepath.Join(db.Server.Dir, "copy")
			devdb.CopyData(t, db.Server.Data, copied)
			db.StartServer()
			db.Exec(`insert into orders select n, repeat('lost', 100) from generate_series(2, 1000) n`)
			r.next(999)
			db.StopServer()
			if err := os.RemoveAll(db.Server.Data); err != nil {
				t.Fatal(err)
			}
			devdb.CopyData(t, copied, db.Server.Data)
			start(t, db)
			r.wantResync(changelog.CodeDiverged)
			r.waitStreaming()
			db.Exec(`insert into orders values (2, 'b')`)
			r.until("the new row", func() bool { return describeChange(r.next(1)[0]) == "INSERT orders 2 b" })
		})
	}
}
