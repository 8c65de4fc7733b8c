package migrations

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func mustMaintain(t *testing.T, conn *pgx.Conn, now time.Time) Upkeep {
	t.Helper()
	u, err := Maintain(t.Context(), conn, now)
	if err != nil {
		t.Fatalf("Maintain: %v", err)
	}
	return u
}

func wantUpkeep(t *testing.T, what string, got, want Upkeep) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("upkeep %s (-want +got):\n%s", what, diff)
	}
}

// wantDays compares the days whose messages are left, relative to a day.
func wantDays(t *testing.T, conn *pgx.Conn, today time.Time, want ...int) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `select inserted_at::date - $1::date from realtime.messages order by 1`, today)
	if err != nil {
		t.Fatalf("read messages: %v", err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("days of the messages left: %v (-want +got):\n%s", err, diff)
	}
}

func insertDays(t *testing.T, conn *pgx.Conn, today time.Time, days ...int) {
	t.Helper()
	for _, day := range days {
		_, err := conn.Exec(t.Context(), `insert into realtime.messages (topic, extension, inserted_at) values ('t', 'broadcast', $1)`,
			today.AddDate(0, 0, day))
		if err != nil {
			t.Fatalf("insert a message of day %d: %v", day, err)
		}
	}
}

func TestMaintainKeepsPartitionsAroundTheDay(t *testing.T) {
	_, conn := ownedDB(t)
	mustApply(t, conn)
	today := time.Now().UTC()
	insertDays(t, conn, today, -1, 0, 1, 7)
	wantUpkeep(t, "of the same day", mustMaintain(t, conn, today), Upkeep{})

	next := today.AddDate(0, 0, 4)
	wantUpkeep(t, "four days later", mustMaintain(t, conn, next), Upkeep{
		Created: partitions(today, 8, 11), Dropped: partitions(today, -1, 0),
	})
	wantDays(t, conn, today, 1, 7)
}

func TestMaintainLivesWithMessagesInTheDefaultPartition(t *testing.T) {
	_, conn := ownedDB(t)
	mustApply(t, conn)
	today := time.Now().UTC()
	back := today.AddDate(0, 0, 30) // nothing ran for a month
	insertDays(t, conn, today, 5, 20, 30)
	u := mustMaintain(t, conn, back)
	want := Upkeep{
		Created: append(partitions(back, -1, -1), partitions(back, 1, 7)...), Occupied: partitions(back, 0, 0),
		Dropped: partitions(today, -1, 7), Trimmed: true,
	}
	wantUpkeep(t, "after a month", u, want)
	wantDays(t, conn, today, 30)
	insertDays(t, conn, today, 30, 31)
	wantUpkeep(t, "again", mustMaintain(t, conn, back), Upkeep{Occupied: partitions(back, 0, 0)})
	wantDays(t, conn, today, 30, 30, 31)
}

func TestMaintainDoesNotWaitForWhoHoldsAPartition(t *testing.T) {
	db, conn := ownedDB(t)
	mustApply(t, conn)
	today := time.Now().UTC()
	reader, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), `select from realtime.messages`); err != nil {
		t.Fatal(err)
	}
	later := today.AddDate(0, 0, 3)
	wantUpkeep(t, "beside a long read", mustMaintain(t, conn, later), Upkeep{
		Busy: partitions(today, 8, 8), // and no wait for the others
	})
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantUpkeep(t, "after it", mustMaintain(t, conn, later), Upkeep{
		Created: partitions(today, 8, 10), Dropped: partitions(today, -1, -1),
	})
}

func TestMaintainIsDoneByOneNode(t *testing.T) {
	db, conn := ownedDB(t)
	mustApply(t, conn)
	later := time.Now().AddDate(0, 0, 30)
	err := locked(t.Context(), connect(t, db, ""), func() error {
		wantUpkeep(t, "beside another node", mustMaintain(t, conn, later), Upkeep{})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMaintainLeavesASchemaInTheMakingAlone: with --migrate the server is at both.
func TestMaintainLeavesASchemaInTheMakingAlone(t *testing.T) {
	db, conn := ownedDB(t)
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if err := execTx(t.Context(), conn, m.sql); err != nil {
			t.Fatal(err)
		}
		if m.name < "003" {
			wantUpkeep(t, "after "+m.name, mustMaintain(t, conn, time.Now()), Upkeep{})
		}
	}
	if len(mustMaintain(t, conn, time.Now()).Created) == 0 {
		t.Errorf("Maintain makes no partition in %s once the schema is there", db.Name)
	}
}

func TestMaintainWithoutASchemaDoesNothing(t *testing.T) {
	_, conn := ownedDB(t)
	wantUpkeep(t, "of nothing", mustMaintain(t, conn, time.Now()), Upkeep{})
}

func TestMaintainGivesAForeignSchemaWhatItLacks(t *testing.T) {
	db := supabaseDB(t)
	now := time.Now()
	old := partitions(now, -20, -20)
	db.Exec(partitionFor(t, old[0]))

	role := db.Name + "_user"
	db.Exec("create role " + role + " login; grant usage on schema realtime to " + role)
	want := partitions(now, -1, daysAheadForeign)
	wantUpkeep(t, "by one who may not", mustMaintain(t, connect(t, db, role), now), Upkeep{Refused: want})
	wantUpkeep(t, "by one who may", mustMaintain(t, connect(t, db, ""), now), Upkeep{Created: want})
	wantUpkeep(t, "again", mustMaintain(t, connect(t, db, ""), now), Upkeep{})

	list := inventory(t, db)
	for _, name := range append(want, old...) {
		if !slices.ContainsFunc(list, func(s string) bool {
			return s == "relation realtime."+name+" supabase_realtime_admin true" || s == "relation realtime."+name+" postgres false"
		}) {
			t.Errorf("partition %s is missing or not its owner's", name)
		}
	}
}

// Messages are one table in the stream, and the work on partitions is not in it.
func TestMessagesAreReadAsOneTable(t *testing.T) {
	db, conn := ownedDB(t)
	mustApply(t, conn)
	db.Exec(`select pg_create_logical_replication_slot($1, 'pgoutput')`, db.Name)
	today := time.Now().UTC()
	insertDays(t, conn, today, 0, 40, -40)
	mustMaintain(t, conn, today.AddDate(0, 0, 4))
	if _, err := conn.Exec(t.Context(), `delete from realtime.messages`); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Pool.Query(t.Context(), `
		select kind || ' ' || (('x' || encode(substring(data from 2 for 4), 'hex'))::bit(32)::bigint::oid::regclass)
		from pg_logical_slot_get_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'supabase_realtime_messages_publication'),
			lateral chr(get_byte(data, 0)) kind
		where kind not in ('B', 'C', 'R')`, db.Name)
	if err != nil {
		t.Fatalf("read slot: %v", err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	insert := "I realtime.messages"
	if diff := cmp.Diff([]string{insert, insert, insert}, got); diff != "" || err != nil {
		t.Errorf("stream of three messages, upkeep and a delete: %v (-want +got):\n%s", err, diff)
	}
}
