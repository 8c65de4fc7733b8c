package migrations

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"walcast/internal/devdb"
)

var allNames = []string{"001_schema", "002_messages", "003_upkeep", "004_send", "005_publication", "006_serving", "007_persist", "008_numbers", "009_triggers"}

// connect opens a connection of the test's own, as the given role or, for "",
// as superuser.
func connect(t *testing.T, db *devdb.DB, role string) *pgx.Conn {
	t.Helper()
	return connectNoticing(t, db, role, nil)
}

// connectNoticing also hands on the server's notices and warnings.
func connectNoticing(t *testing.T, db *devdb.DB, role string, notice func(text string)) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(db.DSN)
	if err != nil {
		t.Fatalf("parse DSN: %v", err)
	}
	if role != "" {
		config.User = role
	}
	if notice != nil {
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notice(n.Message) }
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("connect as %q: %v", role, err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// ownedDB is a database that belongs to an ordinary role, and its connection.
func ownedDB(t *testing.T) (*devdb.DB, *pgx.Conn) {
	t.Helper()
	db := devdb.Open(t)
	owner := db.Name + "_owner"
	db.Exec("create role " + owner + " login nosuperuser nocreaterole nocreatedb")
	db.Exec("alter database " + db.Name + " owner to " + owner)
	return db, connect(t, db, owner)
}

// supabaseDB is a database with the schema that Supabase makes.
func supabaseDB(t *testing.T) *devdb.DB {
	t.Helper()
	ddl, err := os.ReadFile("../testdata/migrations/supabase.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := devdb.Open(t)
	db.Exec(string(ddl))
	return db
}

// partitionFor makes the partition of that name as Supabase's server does.
func partitionFor(t *testing.T, name string) string {
	t.Helper()
	day, err := time.Parse("messages_2006_01_02", name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("create table realtime.%s partition of realtime.messages for values from ('%s') to ('%s')",
		name, day.Format(time.DateOnly), day.AddDate(0, 0, 1).Format(time.DateOnly))
}

func mustApply(t *testing.T, conn *pgx.Conn) Report {
	t.Helper()
	report, err := Apply(t.Context(), conn, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return report
}

// inventory lists everything in the database that could have been made, with
// privileges: equal inventories mean that nothing was left behind or altered.
func inventory(t *testing.T, db *devdb.DB) []string {
	t.Helper()
	rows, err := db.Pool.Query(t.Context(), `
		select 'schema ' || nspname || coalesce(' ' || nspacl::text, '') from pg_namespace
			where nspname !~ '^pg_(temp|toast_temp)'
		union all
		select 'relation ' || c.oid::regclass || ' ' || relowner::regrole || ' ' || relrowsecurity || coalesce(' ' || relacl::text, '')
			from pg_class c where relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
		union all
		select 'function ' || p.oid::regprocedure || ' ' || md5(prosrc) || coalesce(' ' || proacl::text, '')
			from pg_proc p where pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
		union all
		select 'policy ' || polname || ' on ' || polrelid::regclass from pg_policy
		union all
		select 'publication ' || pubname || coalesce(' ' || prrelid::regclass, '')
			from pg_publication p left join pg_publication_rel r on r.prpubid = p.oid
		order by 1`)
	if err != nil {
		t.Fatalf("inventory: %v", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("inventory: %v", err)
	}
	return list
}

func wantInventory(t *testing.T, db *devdb.DB, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, inventory(t, db)); diff != "" {
		t.Errorf("the database has other objects (-want +got):\n%s", diff)
	}
}

// partitions are the names around a day.
func partitions(now time.Time, from, to int) (names []string) {
	for day := from; day <= to; day++ {
		names = append(names, now.UTC().AddDate(0, 0, day).Format("messages_2006_01_02"))
	}
	return names
}

func TestApplyToAnEmptyDatabaseAsItsOwner(t *testing.T) {
	db, conn := ownedDB(t)
	devdb.SupabaseRoles(db)
	now := time.Now()
	want := Report{
		Applied: allNames,
		Granted: []string{"anon", "authenticated", "service_role"},
		Upkeep:  Upkeep{Created: partitions(now, -1, daysAhead)},
	}
	if diff := cmp.Diff(want, mustApply(t, conn)); diff != "" {
		t.Errorf("first Apply (-want +got):\n%s", diff)
	}
	before := inventory(t, db)
	want.Applied, want.Upkeep = nil, Upkeep{}
	if diff := cmp.Diff(want, mustApply(t, conn)); diff != "" {
		t.Errorf("second Apply (-want +got):\n%s", diff)
	}
	wantInventory(t, db, before)
}

func TestApplyAtOnceFromSeveralNodes(t *testing.T) {
	db, _ := ownedDB(t)
	const nodes = 4
	var g errgroup.Group
	reports := make([]Report, nodes)
	for i := range nodes {
		conn := connect(t, db, db.Name+"_owner")
		g.Go(func() (err error) {
			reports[i], err = Apply(t.Context(), conn, slog.New(slog.DiscardHandler))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	applied := 0
	for _, r := range reports {
		applied += len(r.Applied)
		if len(r.Gaps) > 0 || r.Foreign {
			t.Errorf("one Apply reports %+v; want no gaps in its own schema", r)
		}
	}
	if applied != len(allNames) {
		t.Errorf("%d migrations were applied by %d nodes; want %d", applied, nodes, len(allNames))
	}
}

func TestApplyNamesTheRolesThatTheServerDoesNotHave(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{}) // roles belong to the server
	conn := connect(t, db, "")
	report := mustApply(t, conn)
	if diff := cmp.Diff([]string{"anon", "authenticated", "service_role"}, report.Absent); diff != "" || report.Granted != nil {
		t.Errorf("Apply granted to %v; absent (-want +got):\n%s", report.Granted, diff)
	}
	db.Exec("create role anon")
	report = mustApply(t, conn)
	if !cmp.Equal(report.Granted, []string{"anon"}) || !cmp.Equal(report.Absent, []string{"authenticated", "service_role"}) {
		t.Errorf("with role anon Apply granted to %v, absent are %v", report.Granted, report.Absent)
	}
	var may bool
	const privileges = `select has_schema_privilege('anon', 'realtime', 'usage') and has_table_privilege('anon', 'realtime.messages', 'select, insert, update')`
	if err := conn.QueryRow(t.Context(), privileges).Scan(&may); err != nil || !may {
		t.Errorf("anon may use realtime.messages: %v, %v; want true", may, err)
	}
}

func TestApplyNeedsTheRightToCreate(t *testing.T) {
	db := devdb.Open(t)
	stranger := db.Name + "_stranger"
	db.Exec("create role " + stranger + " login")
	_, err := Apply(t.Context(), connect(t, db, stranger), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "001_schema") || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("Apply without the right = %v; want permission denied for 001_schema", err)
	}
}

func TestApplyLeavesSupabasesSchemaAlone(t *testing.T) {
	db := supabaseDB(t)
	conn := connect(t, db, "")
	for _, name := range partitions(time.Now(), -1, daysAheadForeign) { // as its server has made them
		db.Exec(partitionFor(t, name))
	}
	before := inventory(t, db)
	if diff := cmp.Diff(Report{Foreign: true}, mustApply(t, conn)); diff != "" {
		t.Errorf("Apply (-want +got):\n%s", diff)
	}
	wantInventory(t, db, before)
	removal, err := Remove(t.Context(), conn)
	if diff := cmp.Diff(Removal{Foreign: true}, removal); diff != "" || err != nil {
		t.Errorf("Remove: %v (-want +got):\n%s", err, diff)
	}
	wantInventory(t, db, before)
}

func TestApplySaysWhatAForeignSchemaLacks(t *testing.T) {
	db := devdb.Open(t)
	conn := connect(t, db, "")
	objects := func() (names []string) {
		for _, gap := range mustApply(t, conn).Gaps {
			names = append(names, gap.Object)
		}
		return names
	}
	db.Exec("create schema realtime")
	all := []string{
		"table realtime.messages", "function realtime.topic()",
		"function realtime.send(jsonb, text, text, boolean)", "function realtime.send_binary(bytea, text, text, boolean)",
		"function realtime.broadcast_changes(text, text, text, text, text, record, record, text)",
		"publication supabase_realtime_messages_publication",
	}
	if diff := cmp.Diff(all, objects()); diff != "" {
		t.Errorf("gaps of an empty schema (-want +got):\n%s", diff)
	}
	db.Exec(`create table realtime.messages (topic text, extension text, payload jsonb, event text, id uuid,
			updated_at timestamp, inserted_at timestamp);
		create publication supabase_realtime_messages_publication`)
	want := append([]string{"row-level security of realtime.messages"}, all[1:5]...)
	want = append(want, "realtime.messages in publication supabase_realtime_messages_publication",
		"column realtime.messages.private", "column realtime.messages.binary_payload")
	if diff := cmp.Diff(want, objects()); diff != "" {
		t.Errorf("gaps of a poor table (-want +got):\n%s", diff)
	}
	for _, gap := range mustApply(t, conn).Gaps {
		if gap.Remedy != "" {
			db.Exec(gap.Remedy)
		}
	}
	if diff := cmp.Diff(append(all[1:5:5], want[len(want)-2:]...), objects()); diff != "" {
		t.Errorf("gaps after the remedies (-want +got):\n%s", diff)
	}

	stranger := db.Name + "_stranger"
	db.Exec("create role " + stranger + " login")
	report := mustApply(t, connect(t, db, stranger))
	if len(report.Gaps) != 1 || report.Gaps[0].Object != "usage of schema realtime" {
		t.Errorf("gaps of one who may not look are %+v; want the usage of the schema", report.Gaps)
	}
}

func TestPrintedSQLIsAsGoodAsApply(t *testing.T) {
	sql, err := Print()
	if err != nil {
		t.Fatalf("Print: %v", err)
	}
	applied, printed := devdb.Open(t), devdb.Open(t)
	devdb.SupabaseRoles(applied)
	devdb.SupabaseRoles(printed)
	mustApply(t, connect(t, applied, ""))
	printed.Exec(sql)
	wantInventory(t, printed, inventory(t, applied))

	conn := connect(t, printed, "")
	if report := mustApply(t, conn); report.Foreign || len(report.Applied) > 0 || len(report.Gaps) > 0 {
		t.Errorf("Apply after the printed SQL reports %+v; want nothing to do", report)
	}
	if removal, err := Remove(t.Context(), conn); err != nil || removal.Blocked != "" || len(removal.Dropped) == 0 {
		t.Errorf("Remove after the printed SQL = %+v, %v; want all dropped", removal, err)
	}
}
