package replication

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// through leads all connections of a reader through the proxy, as a name does
// that follows the primary.
func through(t *testing.T, p *proxy, db *devdb.DB) option {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), p.url(db))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return func(s *setup) { s.config.DatabaseURL, s.pool = p.url(db), pool }
}

// makeStandby starts a second server that follows the first with a physical
// slot. What logical slots the first will have, it has only if it is told.
func makeStandby(t *testing.T, db *devdb.DB) *devdb.Server {
	t.Helper()
	db.Exec(`select pg_create_physical_replication_slot('standby', true)`)
	db.StopServer()
	data := filepath.Join(db.Server.Dir, "standby")
	devdb.CopyData(t, db.Server.Data, data)
	signal := filepath.Join(data, "standby.signal")
	if err := os.WriteFile(signal, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(signal, 0o666); err != nil { // the server runs as somebody else and removes it
		t.Fatal(err)
	}
	db.StartServer()
	primary := "host=" + db.Server.Dir + " port=" + strconv.Itoa(db.Server.Port) + " user=postgres dbname=postgres"
	settings := map[string]string{
		"primary_conninfo": primary, "primary_slot_name": "standby", "hot_standby": "on", "hot_standby_feedback": "on",
	}
	if db.Server.Major >= 17 {
		settings["sync_replication_slots"] = "on"
	}
	standby, err := devdb.Start(t.Context(), devdb.Options{BinDir: db.Server.BinDir, DataDir: data, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(standby.LogPath())
			t.Logf("the standby said:\n%s", text)
		}
		standby.Stop()
	})
	return standby
}

// failedOver is a reader of a primary that has a standby.
type failedOver struct {
	*reading
	proxy   *proxy
	standby *devdb.Server
	conn    *pgx.Conn // to the standby
}

func startWithStandby(t *testing.T, options ...option) *failedOver {
	t.Helper()
	db := ownServer(t, map[string]string{"hot_standby": "on"})
	f := &failedOver{standby: makeStandby(t, db), proxy: newProxy(t, db)}
	var err error
	if f.conn, err = pgx.Connect(t.Context(), f.standby.DSN(db.Name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.conn.Close(context.Background()) })
	f.reading = startReader(t, db, changelog.Config{Window: 100 * time.Millisecond}, append(options, through(t, f.proxy, db))...)
	db.Exec(`insert into orders values (1, 'a')`)
	f.want("INSERT orders 1 a")
	return f
}

// onStandby runs a statement there.
func (f *failedOver) onStandby(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.conn.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatalf("Exec(%s) on the standby: %v", sql, err)
	}
}

// takeOver makes the standby the primary that everybody is led to.
func (f *failedOver) takeOver() {
	f.t.Helper()
	f.onStandby(`select pg_promote()`)
	f.proxy.lead(f.standby)
	f.proxy.cut()
	f.proxy.stall(false)
}

func TestPromotedReplicaWithoutTheSlotStartsANewHistory(t *testing.T) {
	t.Parallel()
	f := startWithStandby(t)
	f.db.StopServer() // the standby gets all
	f.takeOver()
	f.wantResync(changelog.CodeSlotMissing)
	f.waitStreaming()
	f.onStandby(`insert into orders values (2, 'b')`)
	f.want("INSERT orders 2 b")
}

// TestPromotedReplicaThatLacksChangesStartsANewHistory has delivered what the
// new primary has never heard of.
func TestPromotedReplicaThatLacksChangesStartsANewHistory(t *testing.T) {
	t.Parallel()
	f := startWithStandby(t)
	if err := f.standby.StopFast(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.db.Exec(`insert into orders values (2, 'lost')`)
	f.want("INSERT orders 2 lost")
	f.proxy.stall(true)
	f.db.Server.Kill()
	if err := f.standby.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.conn, err = pgx.Connect(t.Context(), f.standby.DSN(f.db.Name)); err != nil {
		t.Fatal(err)
	}
	f.takeOver()
	f.wantResync(changelog.CodeDiverged)
	f.waitStreaming()
	f.onStandby(`insert into orders values (2, 'b')`)
	f.want("INSERT orders 2 b")
}

// TestFailoverSlot fails over without a resync from Postgres 17 on. Below it is
// told that slot-failover needs a newer server.
func TestFailoverSlot(t *testing.T) {
	t.Parallel()
	withFailover := func(s *setup) { s.config.SlotFailover = true }
	db := orders(t)
	if db.Server.Major < 17 {
		err := runReader(t, db, holding(), withFailover).wait()
		if want := "slot-failover needs Postgres 17 or newer and this is " + strconv.Itoa(db.Server.Major) + "."; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Run = %v; want %s…", err, want)
		}
		return
	}
	f := startWithStandby(t, withFailover)
	f.until("the standby to have the slot", func() bool {
		f.db.Exec(`select pg_logical_emit_message(true, 'walcast', 'heartbeat 0')`)
		f.db.Exec(`checkpoint`) // on its own: it tells which transactions are open
		var ready bool
		err := f.conn.QueryRow(t.Context(), `select exists (select from pg_replication_slots where slot_name = $1 and (to_jsonb(pg_replication_slots) ->> 'synced')::bool and not temporary)`, f.db.Name).Scan(&ready)
		if err != nil {
			t.Fatal(err)
		}
		return ready
	})
	history := f.log.History()
	f.proxy.stall(true) // the next are read after the failover only
	f.db.Exec(`insert into orders values (2, 'b')`)
	stopPrimary(t, f)
	f.takeOver()
	f.onStandby(`insert into orders values (3, 'c')`)
	f.want("INSERT orders 2 b", "INSERT orders 3 c")
	if got := f.log.History(); got != history {
		t.Errorf("history became %+v; want %+v still", got, history)
	}
}

// stopPrimary waits until the standby has all, and kills the primary.
func stopPrimary(t *testing.T, f *failedOver) {
	t.Helper()
	end := flushed(t, f.db).String()
	waitFor(t, "the standby to have all", func() bool {
		var has bool
		if err := f.conn.QueryRow(t.Context(), `select pg_last_wal_replay_lsn() >= $1::pg_lsn`, end).Scan(&has); err != nil {
			t.Fatal(err)
		}
		return has
	})
	f.db.Server.Kill()
}

// TestStandbyThatIsPromotedWhileItIsRead goes on streaming, on a new timeline.
// The next reconnect must not take what came since for something lost. Up to 15
// a standby cannot be read.
func TestStandbyThatIsPromotedWhileItIsRead(t *testing.T) {
	t.Parallel()
	db := ownServer(t, map[string]string{"hot_standby": "on"})
	standby := makeStandby(t, db)
	p := newProxy(t, db)
	p.lead(standby)
	r := runReader(t, db, holding(), through(t, p, db), func(s *setup) { s.config.Heartbeat = time.Second })
	if db.Server.Major < 16 {
		if err := r.wait(); err == nil || !strings.Contains(err.Error(), "which can be read from Postgres 16 on only: use the primary") {
			t.Errorf("Run = %v; want it to name the version", err)
		}
		return
	}
	r.until("the slot on the standby", func() bool {
		db.Exec(`select pg_log_standby_snapshot()`)
		return r.reader.Status().Streaming
	})
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	history, since := r.log.History(), r.reader.Status().Since
	db.Server.Kill()
	conn, err := pgx.Connect(t.Context(), standby.DSN(db.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("Exec(%s) on the standby: %v", sql, err)
		}
	}
	exec(`select pg_promote()`)
	exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
	if s := r.reader.Status(); s.Since != since {
		t.Errorf("the stream was started anew with the promotion; want it to go on")
	}
	p.cut() // before anybody may have noticed the new timeline
	exec(`insert into orders values (3, 'c')`)
	r.want("INSERT orders 3 c")
	r.until("the new timeline to be noticed", func() bool { return r.reader.progress.seenTimeline() == 2 })
	received := r.reader.Status().Received
	r.until("a heartbeat to come back", func() bool { return r.reader.Status().Received > received })
	if got := r.log.History(); got != history {
		t.Errorf("history became %+v; want %+v still", got, history)
	}
}

// TestFailoverIsEnabledOnASlotThatExists sets slot-failover on the second start.
func TestFailoverIsEnabledOnASlotThatExists(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	r.stop()
	again := runReader(t, db, holding(), func(s *setup) { s.config.SlotFailover = db.Server.Major >= 17 })
	again.want("INSERT orders 1 a")
	if got := again.slot().Failover; got != (db.Server.Major >= 17) {
		t.Errorf("failover of the slot = %v on Postgres %d", got, db.Server.Major)
	}
}

// TestOtherClusterStartsANewHistory is led to a server that was never the same.
func TestOtherClusterStartsANewHistory(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), through(t, p, db))
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	other := ownServer(t, nil)
	other.Exec("create database " + db.Name)
	conn, err := pgx.Connect(t.Context(), other.Server.DSN(db.Name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`create table orders (id int primary key, item text); create publication pub for table orders`)
	p.lead(other.Server)
	p.cut()
	r.wantResync(changelog.CodeOtherCluster)
	r.waitStreaming()
	exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
}
