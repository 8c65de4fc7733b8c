package replication

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// ownServer is a database with orders on a server that may be stopped.
func ownServer(t *testing.T, settings map[string]string) *devdb.DB {
	t.Helper()
	db := devdb.OpenServer(t, devdb.Options{Settings: settings})
	createOrders(db)
	return db
}

// TestFastStopSucceedsWhileTheWindowIsHeld holds everything back and stops the
// server: with a flush position held back this would hang for ever.
func TestFastStopSucceedsWhileTheWindowIsHeld(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a'), (2, 'b')`)
	want := positionsOf(r.want("INSERT orders 1 a", "INSERT orders 2 b"))
	held := r.slot().Confirmed
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	began := time.Now()
	if err := db.Server.StopFast(ctx); err != nil {
		t.Fatalf("fast stop: %v", err)
	}
	t.Logf("fast stop took %v", time.Since(began))
	db.StartServer()
	if got := r.slot().Confirmed; got > held {
		t.Errorf("the slot moved from %s to %s; want it held", held, got)
	}
	db.Exec(`insert into orders values (3, 'c')`)
	r.want("INSERT orders 3 c") // the log has the others already
	r.stop()

	again := startReader(t, db, holding())
	got := again.want("INSERT orders 1 a", "INSERT orders 2 b", "INSERT orders 3 c")
	if diff := cmp.Diff(want, positionsOf(got[:2])); diff != "" {
		t.Errorf("positions differ after the restart (-before +after):\n%s", diff)
	}
}

func TestReaderResumesAfterACrashOfPostgres(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	r := startReader(t, db, changelog.Config{Window: 100 * time.Millisecond})
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	held := r.slot().Confirmed
	r.until("the slot to move", func() bool { return r.slot().Confirmed > held })
	db.Server.Kill()
	r.until("the crash to be noticed", func() bool { return !r.reader.Status().Streaming })
	db.StartServer()
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b") // and not 1, which comes again after a crash
}

func TestReaderWaitsForAServerThatIsNotUp(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	db.StopServer()
	r := runReader(t, db, holding())
	r.until("an attempt", func() bool { return r.reader.Status().Error != "" })
	db.StartServer()
	r.waitStreaming()
}

func TestAcknowledgedOnAGracefulStop(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, changelog.Config{Window: 0}, func(s *setup) {
		s.timing.statusUpdate, s.timing.tick = time.Hour, time.Hour // nothing is said before the end
	})
	db.Exec(`insert into orders values (1, 'a')`)
	committed := flushed(t, db)
	r.until("the row", func() bool { return r.log.Head().LSN >= committed }) // which leaves the window at once
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	slot := r.slot()
	if slot.Holder != nil || slot.Active {
		t.Errorf("the slot is still in use by %s after Run returned", slot.Holder)
	}
	if head := r.log.Head(); slot.Confirmed < head.LSN {
		t.Errorf("slot stands at %s; want it behind %s, which has left the window", slot.Confirmed, head)
	}
}

// TestIdleDatabaseDoesNotPinWAL writes in another database only: keepalives
// move the slot, in their turn.
func TestIdleDatabaseDoesNotPinWAL(t *testing.T) {
	t.Parallel()
	db, other := orders(t), devdb.Open(t)
	r := startReader(t, db, changelog.Config{Window: 50 * time.Millisecond})
	other.Exec(`create table noise as select n from generate_series(1, 10000) n`)
	end := flushed(t, other).String()
	r.until("the slot to follow", func() bool {
		var follows bool
		err := db.Pool.QueryRow(t.Context(), `select confirmed_flush_lsn >= $1::pg_lsn from pg_replication_slots where slot_name = $2`, end, db.Name).Scan(&follows)
		if err != nil {
			t.Fatal(err)
		}
		return follows
	})
	s := r.reader.Status()
	if s.Confirmed == 0 || s.Confirmed > s.Received {
		t.Errorf("status says confirmed %s, received %s", s.Confirmed, s.Received)
	}
}

// TestKeepaliveNeverOvertakesTheWindow is the same with a window: what has not
// left the log is not confirmed, whatever the server says it has sent.
func TestKeepaliveNeverOvertakesTheWindow(t *testing.T) {
	t.Parallel()
	db, other := orders(t), devdb.Open(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	commit := r.want("INSERT orders 1 a")[0].Position.LSN
	other.Exec(`create table noise as select n from generate_series(1, 10000) n`)
	r.until("the noise to have passed", func() bool { s := r.reader.Status(); return s.LagBytes == 0 && s.Received > commit })
	if got := r.slot().Confirmed; got > commit {
		t.Errorf("slot moved to %s, beyond the commit at %s that is in the window", got, commit)
	}
}

func TestLagIsSeen(t *testing.T) {
	t.Parallel()
	db := orders(t)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	r.until("no lag", func() bool { return r.reader.Status().LagBytes == 0 })
	p.stall(true)
	db.Exec(`insert into orders select n, repeat('x', 100) from generate_series(1, 1000) n`)
	r.until("a lag", func() bool { s := r.reader.Status(); return s.LagBytes > 100_000 && s.LagSeconds > 0 })
	p.stall(false)
	r.until("no lag again", func() bool { s := r.reader.Status(); return s.LagBytes == 0 && s.LagSeconds == 0 })
}

// TestLagIsSeenAtOnceAfterAnOutage would time out if a new stream waited for the
// next sample of the server's WAL, which is an hour away.
func TestLagIsSeenAtOnceAfterAnOutage(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	r := startReader(t, db, holding(), func(s *setup) { s.timing.sample = time.Hour })
	r.until("a first look", func() bool { return r.metric("walcast_replication_retained_wal_bytes", "") > 0 })
	if err := db.Server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.Pool.Reset()
	before := r.reader.progress.retained().last.end
	r.until("another look", func() bool { return r.reader.progress.retained().last.end > before })
}

func TestHeartbeatMovesAnIdleSlot(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, changelog.Config{Window: 10 * time.Millisecond}, func(s *setup) { s.config.Heartbeat = 100 * time.Millisecond })
	start := r.slot().Confirmed
	r.until("a heartbeat to come back", func() bool { return r.reader.Status().Received > start })
	r.until("the slot to follow", func() bool { return r.slot().Confirmed > start })
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a") // heartbeats are not for consumers
}

func TestMessagesForUsAreChangesAndThoseOfOtherToolsAreOnlyCounted(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	for range 5 {
		db.Exec(`select pg_logical_emit_message(true, 'theirs', repeat('x', 50000000))`)
	}
	db.Exec(`select pg_logical_emit_message(false, 'theirs', 'at once')`)
	db.Exec(`select pg_logical_emit_message(true, 'walcast', 'marker')`)
	r.want("MESSAGE walcast marker")
	if n := r.metric("walcast_replication_foreign_messages_total", ""); n != 6 {
		t.Errorf("%v messages of others are counted; want 6", n)
	}
	if stats := r.log.Stats(); stats.Bytes > 10_000 || stats.Changes != 1 {
		t.Errorf("the log has %d changes of %d bytes; want the marker alone", stats.Changes, stats.Bytes)
	}
}
