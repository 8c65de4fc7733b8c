package migrations

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
)

func TestRemoveTakesBackWhatApplyMade(t *testing.T) {
	db, conn := ownedDB(t)
	devdb.SupabaseRoles(db)
	db.Exec("create table public.mine (id int primary key)")
	before := inventory(t, db)
	for range 2 { // it can be made again
		mustApply(t, conn)
		db.Exec(`select realtime.send('{}', 'e', 't')`)
		db.Exec(`create policy p on realtime.messages for select using (realtime.topic() = topic)`)
		removal, err := Remove(t.Context(), conn)
		if err != nil {
			t.Fatalf("Remove: %v", err)
		}
		want := []string{
			"publication supabase_realtime_messages_publication",
			"view realtime.walcast_messages",
			"table realtime.walcast_serving", "table realtime.messages", "table realtime.walcast_migrations",
			"function realtime.walcast_put(pg_catalog.uuid,pg_catalog.jsonb,pg_catalog.bytea,pg_catalog.text,pg_catalog.text,boolean)",
			"function realtime.walcast_not_sent(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text)",
			"function realtime.walcast_ends(pg_catalog.text)",
			"function realtime.walcast_huge_as_text(pg_catalog.jsonb)",
			"function realtime.walcast_check_payload(pg_catalog.jsonb,pg_catalog.text,pg_catalog.text)",
			"function realtime.walcast_keep(timestamp with time zone,integer,interval)",
			"function realtime.broadcast_changes(pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.text,pg_catalog.record,pg_catalog.record,pg_catalog.text)",
			"function realtime.send_binary(pg_catalog.bytea,pg_catalog.text,pg_catalog.text,boolean)",
			"function realtime.send(pg_catalog.jsonb,pg_catalog.text,pg_catalog.text,boolean)",
			"function realtime.walcast_check_message(pg_catalog.text,pg_catalog.text,boolean)",
			"function realtime.topic()",
			"function realtime.walcast_upkeep(timestamp with time zone,integer,interval)",
			"schema realtime",
		}
		if diff := cmp.Diff(Removal{Dropped: want}, removal); diff != "" {
			t.Errorf("Remove (-want +got):\n%s", diff)
		}
		wantInventory(t, db, before)
	}
	if removal, err := Remove(t.Context(), conn); err != nil || !cmp.Equal(removal, Removal{}) {
		t.Errorf("Remove of nothing = %+v, %v; want nothing", removal, err)
	}
}

func TestRemoveKeepsASchemaThatOthersUse(t *testing.T) {
	db, conn := ownedDB(t)
	mustApply(t, conn)
	db.Exec("create table realtime.theirs (id int)")
	removal, err := Remove(t.Context(), conn)
	if err != nil || !strings.Contains(removal.Blocked, "realtime.theirs") {
		t.Fatalf("Remove = %+v, %v; want the schema kept for realtime.theirs", removal, err)
	}
	for _, left := range inventory(t, db) {
		if strings.Contains(left, "realtime.") && !strings.Contains(left, "realtime.theirs") {
			t.Errorf("Remove left %s", left)
		}
	}
}

func TestRemoveDropsNothingThatOthersNeed(t *testing.T) {
	db, conn := ownedDB(t)
	mustApply(t, conn)
	db.Exec("create view public.recent as select * from realtime.messages")
	before := inventory(t, db)
	removal, err := Remove(t.Context(), conn)
	if err == nil || !strings.Contains(err.Error(), "view recent") || len(removal.Dropped) > 0 {
		t.Errorf("Remove = %+v, %v; want an error that names the view", removal, err)
	}
	wantInventory(t, db, before)
}

func TestRemoveLeavesAPublicationThatWasThere(t *testing.T) {
	db, conn := ownedDB(t)
	db.Exec("create publication supabase_realtime_messages_publication")
	db.Exec("alter publication supabase_realtime_messages_publication owner to " + db.Name + "_owner")
	before := inventory(t, db)
	if report := mustApply(t, conn); len(report.Gaps) > 0 {
		t.Errorf("Apply leaves gaps: %+v", report.Gaps)
	}
	if _, err := Remove(t.Context(), conn); err != nil {
		t.Fatalf("Remove: %v", err)
	}
	wantInventory(t, db, before)
}
