package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

func TestSlotIsCreatedAndKept(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	slot := r.slot()
	if slot == nil || slot.Plugin != "pgoutput" || slot.Database != db.Name || slot.temporary || slot.twoPhase {
		t.Errorf("slot = %+v; want a permanent one of pgoutput in %s", slot, db.Name)
	}
}

func TestDroppedSlotStartsANewHistory(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	before := r.log.History()
	since := r.reader.Status().Since
	db.Exec(strings.ReplaceAll(`do $$ begin
		loop -- until we are faster than the reader
			begin
				perform pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = 'NAME';
				perform pg_drop_replication_slot('NAME');
				return;
			exception when object_in_use then null;
			end;
		end loop;
	end $$`, "NAME", db.Name))
	r.wantResync(changelog.CodeSlotMissing)
	r.until("a new stream", func() bool { s := r.reader.Status(); return s.Streaming && s.Since.After(since) })
	if after := r.log.History(); after == before {
		t.Errorf("history is still %+v", after)
	}
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
	if got := r.metric("walcast_replication_slot_recreated_total", changelog.CodeSlotMissing); got != 1 {
		t.Errorf("slot_recreated_total = %v; want 1", got)
	}
	if !strings.Contains(r.lines.String(), "reason=slot_missing") {
		t.Errorf("no log line tells why:\n%s", r.lines)
	}
}

// keepingLittle are settings with which a slot is lost soon.
func keepingLittle() map[string]string {
	return map[string]string{"max_slot_wal_keep_size": "1MB", "wal_keep_size": "0", "min_wal_size": "32MB", "max_wal_size": "32MB"}
}

// loseSlot writes until Postgres gives the slot up.
func (r *reading) loseSlot() {
	r.t.Helper()
	before := r.slot().Restart
	r.until("the slot to be lost", func() bool {
		r.db.Exec(`create table noise as select repeat('x', 1000) from generate_series(1, 20000); drop table noise; select pg_switch_wal()`)
		r.db.Exec(`checkpoint`)
		slot := r.slot()
		if slot == nil || slot.Restart > before {
			return true // and made anew already
		}
		_, lost := slot.Lost()
		return lost
	})
}

// TestLostSlotStartsANewHistory writes more than max_slot_wal_keep_size while
// nobody reads.
func TestLostSlotStartsANewHistory(t *testing.T) {
	t.Parallel()
	db := ownServer(t, keepingLittle())
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	p.stall(true)
	p.cut()
	r.loseSlot()
	p.stall(false)
	r.wantResync(changelog.CodeSlotLost)
	r.waitStreaming()
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
	if got := r.metric("walcast_replication_slot_recreated_total", changelog.CodeSlotLost); got != 1 {
		t.Errorf("slot_recreated_total = %v; want 1", got)
	}
}

// TestSlotLostWhileItIsReadStartsANewHistory has a window that is larger than
// what Postgres keeps: the reader reads all, and confirms nothing.
func TestSlotLostWhileItIsReadStartsANewHistory(t *testing.T) {
	t.Parallel()
	db := ownServer(t, keepingLittle())
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	r.loseSlot()
	r.wantResync(changelog.CodeSlotLost)
	r.waitStreaming()
	r.until("a row to come", func() bool {
		db.Exec(`insert into orders select coalesce(max(id), 0) + 1, 'b' from orders`)
		return r.comes("INSERT orders")
	})
}

// TestIdleSlotThatTimedOutStartsANewHistory: from 18 on Postgres can give up
// slots that nobody reads for long. Older ones have nothing to try.
func TestIdleSlotThatTimedOutStartsANewHistory(t *testing.T) {
	t.Parallel()
	if devdb.Open(t).Server.Major < 18 {
		return
	}
	db := ownServer(t, nil)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	p.stall(true)
	p.cut()
	db.Exec(`alter system set idle_replication_slot_timeout = '1s'`)
	db.Exec(`select pg_reload_conf()`)
	r.until("the slot to be given up", func() bool {
		db.Exec(`checkpoint`)
		return r.slot().invalidation == "idle_timeout"
	})
	p.stall(false)
	r.wantResync(changelog.CodeSlotLost)
	r.waitStreaming()
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
}

func TestSlotMovedBySomebodyElseStartsANewHistory(t *testing.T) {
	t.Parallel()
	db := orders(t)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	p.stall(true)
	p.cut()
	r.until("the break to be noticed", func() bool { return !r.reader.Status().Streaming })
	db.Exec(`insert into orders values (1, 'skipped')`)
	r.until("the slot to be free", func() bool { return r.slot().Holder == nil })
	db.Exec(`select pg_replication_slot_advance($1, pg_current_wal_lsn())`, db.Name)
	p.stall(false)
	r.wantResync(changelog.CodeSlotAdvanced)
	db.Exec(`insert into orders values (2, 'b')`)
	r.want("INSERT orders 2 b")
}

func TestSlotThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, create, want string
	}{
		{"physical", `select pg_create_physical_replication_slot('NAME')`, `slot "NAME" is a physical one`},
		{"other plugin", `select pg_create_logical_replication_slot('NAME', 'test_decoding')`, `slot "NAME" is of plugin "test_decoding", not pgoutput`},
		{"two_phase", `select pg_create_logical_replication_slot('NAME', 'pgoutput', false, true)`, `slot "NAME" has two_phase enabled`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			db := orders(t)
			slot := db.Name + "_own" // physical slots belong to no database and stay behind
			db.Exec(strings.ReplaceAll(c.create, "NAME", slot))
			t.Cleanup(func() { db.Exec(`select pg_drop_replication_slot($1)`, slot) })
			r := runReader(t, db, holding(), func(s *setup) { s.config.Slot = slot })
			err := r.wait()
			if want := strings.ReplaceAll(c.want, "NAME", slot); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("Run = %v; want %s…", err, want)
			}
		})
	}
	t.Run("other database", func(t *testing.T) {
		db, other := orders(t), devdb.Open(t)
		other.Exec(`select pg_create_logical_replication_slot($1, 'pgoutput')`, db.Name)
		err := runReader(t, db, holding()).wait()
		if err == nil || !strings.Contains(err.Error(), `belongs to database "`+other.Name+`"`) {
			t.Errorf("Run = %v; want it to name database %s", err, other.Name)
		}
	})
}

// holdSlot streams the slot as another program would.
func holdSlot(t *testing.T, db *devdb.DB) *pgconn.PgConn {
	t.Helper()
	db.Exec(`select pg_create_logical_replication_slot($1, 'pgoutput')`, db.Name)
	c, err := replicationConfig(db.DSN, "somebody", newSocketReader())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := connectReplication(t.Context(), c, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeQuietly(conn) })
	if err := startStreaming(t.Context(), conn, startCommand(db.Name, 0, []string{"pub"})); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestHalfMadeSlotIsReportedWithItsBlockers(t *testing.T) {
	t.Parallel()
	db := orders(t)
	blocker, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Close(context.Background())
	if _, err := blocker.Exec(t.Context(), `begin; insert into orders values (1, 'open')`); err != nil {
		t.Fatal(err)
	}
	r := runReader(t, db, holding(), func(s *setup) {
		s.timing.slotCreation, s.timing.creationReport = 300*time.Millisecond, 50*time.Millisecond
	})
	pid := fmt.Sprintf("process %d (database %s", blocker.PgConn().PID(), db.Name)
	r.until("the blocker to be named", func() bool { return strings.Contains(r.reader.Status().Error, pid) })
	if _, err := blocker.Exec(t.Context(), `commit`); err != nil {
		t.Fatal(err)
	}
	r.waitStreaming()
}

func TestSlotStatusAndDropSlot(t *testing.T) {
	t.Parallel()
	db := orders(t)
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	r := startReader(t, db, holding())
	find := func() *Slot {
		t.Helper()
		slots, err := SlotStatus(t.Context(), conn)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(slots, func(s Slot) bool { return s.Name == db.Name })
		if i < 0 {
			return nil
		}
		return &slots[i]
	}
	slot := find()
	if slot == nil || !slot.Active || slot.WALStatus != "reserved" || slot.Holder == nil || slot.Holder.Application != r.reader.slot.application || slot.Confirmed == 0 {
		t.Fatalf("SlotStatus has %+v; want ours in use by %s", slot, r.reader.slot.application)
	}
	if err := DropSlot(t.Context(), conn, db.Name); err == nil || !strings.Contains(err.Error(), "is in use by process") {
		t.Errorf("DropSlot of a slot in use = %v", err)
	}
	r.stop()
	if err := DropSlot(t.Context(), conn, db.Name); err != nil || find() != nil {
		t.Errorf("DropSlot = %v, and there is %+v", err, find())
	}
	if err := DropSlot(t.Context(), conn, db.Name); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("DropSlot of none = %v", err)
	}
}
