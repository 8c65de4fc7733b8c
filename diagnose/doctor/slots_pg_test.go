package doctor

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication"
	"walcast/replication/wal"
)

func aboutSlot(v Verdict, code, name, reason string) Finding {
	return Finding{Code: code, Verdict: v, About: About{Slot, name}, Reason: reason}
}

// slot makes the slot of the lab.
func (l *lab) slot() {
	l.Helper()
	l.db.Exec("select pg_create_logical_replication_slot($1, 'pgoutput')", l.db.Name)
}

// TestALostSlotIsFound, and dropped by the SQL that is given.
func TestALostSlotIsFound(t *testing.T) {
	l := newServer(t, map[string]string{"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}, healthy)
	l.config.LogBytes = 0
	l.slot()
	for range 4 {
		l.run("select pg_logical_emit_message(false, 'x', repeat('x', 1000)); select pg_switch_wal(); checkpoint")
	}
	want := aboutSlot(Problem, "slot_lost", "$db", "it can never be read again").with("SELECT pg_drop_replication_slot('$db');", "clients have to resync", replicating)
	l.want(l.examine(), want)
	l.run(l.named(want).Fix)
	if r := l.examine(); r.Count(Problem) > 0 {
		t.Errorf("after the fix it has %s", r)
	}
}

// TestASlotThatKeepsMuchIsFound, by the limit of walcast or of Postgres.
func TestASlotThatKeepsMuchIsFound(t *testing.T) {
	l := newLab(t, healthy)
	l.slot()
	l.db.Exec("insert into t select n, repeat('x', 100) from generate_series(1, 2000) n")
	l.config.SlotWarnBytes = 1 << 10
	want := aboutSlot(Warning, "slot_retained", "$db", "and slot-warn-size is 1 kB").with("SELECT pg_drop_replication_slot('$db');", costOfDrop, replicating).advising("start walcast, which reads on")
	l.want(l.examine(), want)
	l.run(l.named(want).Fix)
	if found := l.examine().of("slot_retained"); len(found) > 0 {
		t.Errorf("after the fix it has %+v", found)
	}
}

// TestASlotThatIsReadIsSaidWhoReads it: another program must not.
func TestASlotThatIsReadIsSaidWhoReads(t *testing.T) {
	l := newLab(t, healthy)
	l.slot()
	for _, c := range []struct {
		application string
		want        Finding
	}{
		{"somebody", aboutSlot(Problem, "slot_in_use", "$db", `another program reads it: process `).advising("stop that program, or set slot to another name")},
		{"walcast/" + l.db.Name + "/1", aboutSlot(OK, "slot", "$db", "it is read by process ")},
	} {
		conn, err := pgconn.Connect(t.Context(), l.dsn()+"&replication=database&application_name="+c.application)
		if err != nil {
			t.Fatal(err)
		}
		options := pglogrepl.StartReplicationOptions{PluginArgs: []string{"proto_version '1'", `publication_names '"rows"'`}}
		if err := pglogrepl.StartReplication(t.Context(), conn, l.db.Name, 0, options); err != nil {
			t.Fatal(err)
		}
		l.want(l.examine(), c.want)
		conn.Close(context.Background())
		l.released()
	}
}

// released waits until nobody reads the lab's slot.
func (l *lab) released() {
	l.Helper()
	l.run("do $$ begin while exists (select from pg_replication_slots where active) loop perform pg_sleep(0.01); end loop; end $$")
}

// TestASlotOfAnotherDatabaseIsNotUsed, and is not to be dropped.
func TestASlotOfAnotherDatabaseIsNotUsed(t *testing.T) {
	l := newLab(t, healthy)
	conn, err := pgx.Connect(t.Context(), l.db.Server.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "select pg_create_logical_replication_slot($1, 'pgoutput')", l.db.Name); err != nil {
		t.Fatal(err)
	}
	defer conn.Exec(context.Background(), "select pg_drop_replication_slot($1)", l.db.Name)
	l.want(l.examine(), aboutSlot(Problem, "slot_unusable", "$db", `belongs to database "postgres", not "$db"`).advising("set slot to another name"))
}

// TestOrphanedSlotsAreFound: those of a walcast with other settings, and of others only if
// they keep much.
func TestOrphanedSlotsAreFound(t *testing.T) {
	l := newServer(t, nil, healthy, "select pg_create_logical_replication_slot('walcast_before', 'pgoutput'); select pg_create_logical_replication_slot('theirs', 'pgoutput')")
	want := aboutSlot(Warning, "slot_orphaned", "walcast_before", "it looks like a slot of a walcast with other settings, is read by nobody, and keeps").
		with("SELECT pg_drop_replication_slot('walcast_before');", costOfDrop, replicating)
	r := l.examine()
	l.want(r, want)
	if len(r.of("slot_foreign")) > 0 {
		t.Errorf("a slot that keeps nothing is found: %s", r)
	}
	l.run(want.Fix)
	if found := l.examine().of("slot_orphaned"); len(found) > 0 {
		t.Errorf("after the fix it has %+v", found)
	}
}

// TestAForeignSlotThatKeepsMuchIsFound is a function of facts, as a test would have to
// write a gigabyte.
func TestAForeignSlotThatKeepsMuchIsFound(t *testing.T) {
	f := &facts{config: Config{Slot: "walcast"}, slots: []replication.Slot{
		{Name: "theirs", Plugin: "wal2json", Database: "app", SlotWAL: replication.SlotWAL{RetainedBytes: 3 << 30, Confirmed: 1, Restart: wal.LSN(1)}},
	}}
	got := otherSlots(f)
	want := warning("slot_foreign", Slot, "theirs", "it belongs to another program (plugin wal2json, database app), is read by nobody, and keeps 3 GB of WAL").
		cured("SELECT pg_drop_replication_slot('theirs');", "the program that it belongs to has to copy its data anew", replicating)
	if len(got) != 1 || got[0] != want {
		t.Errorf("found %+v; want %+v", got, want)
	}
}

// TestSlotsThatCouldBeDroppedAreNamed where there is no place for ours.
func TestSlotsThatCouldBeDroppedAreNamed(t *testing.T) {
	f := &facts{
		config: Config{Slot: "walcast"}, streams: streams{slots: 2}, settings: map[string]setting{"max_replication_slots": {name: "max_replication_slots", value: "2", restarts: true}},
		slots: []replication.Slot{{Name: "theirs", SlotWAL: replication.SlotWAL{RetainedBytes: 3 << 20}}, {Name: "read", Active: true}},
	}
	got := replicationSlots(f)
	if len(got) != 1 || got[0].Verdict != Problem || got[0].Advice != "or drop one that is not used any more, of those that nobody reads: theirs (3 MB)" || got[0].Fix != "ALTER SYSTEM SET max_replication_slots = '7';" {
		t.Errorf("found %+v", got)
	}
}

// TestTransactionsThatASlotWouldWaitForAreFound, prepared ones too.
func TestTransactionsThatASlotWouldWaitForAreFound(t *testing.T) {
	l := newServer(t, map[string]string{"max_prepared_transactions": "5"}, healthy, "begin; insert into t values (1); prepare transaction 'left behind'")
	open, err := pgx.Connect(t.Context(), l.db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close(context.Background())
	if _, err := open.Exec(t.Context(), "begin; insert into t values (2)"); err != nil {
		t.Fatal(err)
	}
	if found := l.examine().of("open_transaction"); len(found) != 1 { // one that has just begun is none
		t.Errorf("found %+v; want the prepared one", found)
	}
	l.config.openFor = 1 // nanosecond
	unseen := aboutSlot(OK, "open_transaction_unseen", "$db", "transactions of other roles that it would wait for are not seen").with(`GRANT pg_monitor TO "$role";`, "it then sees what other roles do", superuser)
	l.want(l.examine(), unseen)
	l.run(l.named(unseen).Fix)
	r := l.examine()
	l.want(r, aboutSlot(Warning, "open_transaction", "$db", "the slot cannot be made before it ends: prepared transaction 'left behind'").
		with("ROLLBACK PREPARED 'left behind';", "the transaction is taken back", "its owner"))
	for _, f := range r.of("open_transaction") {
		if strings.Contains(f.Reason, "prepared") == strings.Contains(f.Fix, "pg_terminate_backend") {
			t.Errorf("%s is mended by %s", f.Reason, f.Fix)
		}
		l.run(f.Fix)
	}
	if found := l.examine().of("open_transaction"); len(r.of("open_transaction")) != 2 || len(found) > 0 {
		t.Errorf("found %+v, and after the fixes %+v; want two and none", r.of("open_transaction"), found)
	}
}

// TestAStandbyThatHasNotTheSlotIsFound. A connection that streams as a standby does is one.
func TestAStandbyThatHasNotTheSlotIsFound(t *testing.T) {
	l := newServer(t, nil, healthy)
	l.slot()
	l.run("select pg_create_physical_replication_slot('standby')")
	conn, err := pgconn.Connect(t.Context(), l.db.DSN+"&replication=true&application_name=standby")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	s, err := pglogrepl.IdentifySystem(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := pglogrepl.StartReplication(t.Context(), conn, "standby", s.XLogPos, pglogrepl.StartReplicationOptions{Mode: pglogrepl.PhysicalReplication}); err != nil {
		t.Fatal(err)
	}
	want := aboutSlot(Warning, "failover", "$db", "there is a standby, and it does not keep the slot").advising("set slot-failover; on the standby sync_replication_slots = on")
	if l.major() < 17 {
		want = aboutSlot(Warning, "failover", "$db", "there is a standby, and up to Postgres 16 it has no slots").advising("have what manages the failover keep the slot")
	}
	l.want(l.examine(), want)
	if l.major() < 17 {
		return
	}
	l.run("select pg_drop_replication_slot('" + l.db.Name + "'); select pg_create_logical_replication_slot('" + l.db.Name + "', 'pgoutput', false, false, true)")
	l.want(l.examine(), aboutSlot(Warning, "failover", "$db", "clients may be told changes that no standby has").advising("set synchronized_standby_slots"))
}

// TestReadersThatAreBehindAndTransactionsOnDisk is a function of facts.
func TestReadersThatAreBehindAndTransactionsOnDisk(t *testing.T) {
	f := &facts{config: Config{Slot: "walcast"}, slots: []replication.Slot{{Name: "walcast"}}, streams: streams{behind: 1 << 30, spilled: 3}}
	got := decoding(f)
	if len(got) != 2 || got[0].Code != "decoder_behind" || got[0].Verdict != Warning || !strings.Contains(got[0].Reason, "has still to be sent what is in 1 GB of WAL") ||
		got[1].Code != "decoder_spilled" || got[1].Verdict != OK || !strings.Contains(got[1].Reason, "3 transactions were larger than logical_decoding_work_mem") {
		t.Errorf("found %+v", got)
	}
}

// TestAStandbyIsTold what it cannot do.
func TestAStandbyIsTold(t *testing.T) {
	for number, want := range map[int]Finding{
		150018: problem("standby", Server, "app", "database-url leads to a standby, which can be read from Postgres 16 on only").advised("use the primary in database-url"),
		170006: warning("standby", Server, "app", "database-url leads to a standby: there are no snapshots and no heartbeats, and private channels cannot be joined").advised("use the primary in database-url where these are needed"),
	} {
		f := &facts{server: server{number: number, database: "app", isStandby: true}}
		if got := standby(f); len(got) != 1 || got[0] != want {
			t.Errorf("a standby of %d is told %+v; want %+v", number, got, want)
		}
	}
}
