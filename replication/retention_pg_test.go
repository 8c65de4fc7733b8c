package replication

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// open begins a transaction that has written and stays open: until it ends,
// the slot cannot let go of the WAL since.
func open(t *testing.T, db *devdb.DB) pgx.Tx {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	tx, err := conn.Begin(t.Context())
	if err == nil {
		_, err = tx.Exec(t.Context(), `create table pinning ()`)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// fill writes WAL to tables that are not published until the log has the line
// so many times. It goes in steps that the reader looks at one by one, so that
// no crossing is jumped over.
func (r *reading) fill(line string, times int) {
	r.t.Helper()
	r.db.Exec(`create table if not exists noise (n int, filler text)`)
	for strings.Count(r.lines.String(), line) < times {
		if sample := r.reader.progress.retained(); sample.percent() > 200 {
			r.t.Fatalf("at %d %% of the limit the log does not say %s:\n%s", sample.percent(), line, r.lines)
		}
		r.db.Exec(`insert into noise select n, repeat('x', 100) from generate_series(1, 2000) n`)
		written := flushed(r.t, r.db)
		r.until("the reader to look", func() bool { return r.reader.progress.retained().last.end >= written })
	}
}

func (r *reading) wantLines(line string, times int) {
	r.t.Helper()
	if got := strings.Count(r.lines.String(), line); got != times {
		r.t.Errorf("the log says %s %d times; want %d", line, got, times)
	}
}

func TestSlotThatKeepsMuchIsToldOnceForEachCrossing(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	r := startReader(t, db, changelog.Config{}, func(s *setup) { s.config.SlotWarnBytes = 4 << 20 })
	blocker := open(t, db)
	db.Exec(`checkpoint`)
	r.fill("above_percent=50", 1)
	r.fill("above_percent=80", 1)
	r.wantLines("above_percent=50", 1)
	if bytes, seconds := r.metric("walcast_replication_retained_wal_bytes", ""), r.metric("walcast_replication_retained_wal_seconds", ""); bytes < 3<<20 || seconds <= 0 {
		t.Errorf("retained are %v bytes, %v s; want at least 3 MiB, for some time", bytes, seconds)
	}
	if limit := r.metric("walcast_replication_retained_wal_limit_bytes", ""); limit != 4<<20 {
		t.Errorf("retained_wal_limit_bytes = %v; want 4 MiB", limit)
	}
	if !strings.Contains(r.lines.String(), "limit=slot-warn-size") || !strings.Contains(r.lines.String(), "pg_drop_replication_slot('"+db.Name+"')") {
		t.Errorf("the log does not say which limit, or how to drop the slot:\n%s", r.lines)
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.until("less to be kept", func() bool {
		db.Exec(`checkpoint`)
		return strings.Contains(r.lines.String(), "below_percent=50")
	})
	open(t, db)
	r.fill("above_percent=50", 2)
	r.wantLines("above_percent=50", 2)
}

// TestSlotThatKeepsMuchIsToldWhileNothingStreams cannot reach the slot, and
// tells in time that it will be lost.
func TestSlotThatKeepsMuchIsToldWhileNothingStreams(t *testing.T) {
	t.Parallel()
	db := ownServer(t, map[string]string{"max_slot_wal_keep_size": "4MB"})
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	p.stall(true)
	p.cut()
	r.until("the break to be noticed", func() bool { return !r.reader.Status().Streaming })
	r.fill("above_percent=50", 1)
	r.fill("above_percent=80", 1)
	if !strings.Contains(r.lines.String(), "limit=max_slot_wal_keep_size limit_bytes=4194304") {
		t.Errorf("the log does not name the limit:\n%s", r.lines)
	}
}
