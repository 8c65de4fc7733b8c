package migrations

import (
	"strings"
	"testing"

	"walcast/internal/devdb"
)

// TestGrantToGivesWhatAForeignSchemaTakes: there the owner of realtime.messages may
// do everything, and a role that inherits nothing gains nothing by being a member
// of the owner.
func TestGrantToGivesWhatAForeignSchemaTakes(t *testing.T) {
	db := supabaseDB(t)
	owner, role := db.Name+"_owner", db.Name+"_walcast"
	db.Exec("create role " + owner + " nologin; create role " + role + " login noinherit replication")
	t.Cleanup(func() {
		db.Exec("reassign owned by " + owner + " to postgres; drop owned by " + owner + ", " + role + "; drop role " + owner + ", " + role)
	})
	db.Exec("alter table realtime.messages owner to " + owner + "; grant usage on schema realtime to " + owner)
	partitionSQL := partitionFor(t, "messages_2024_01_02")
	db.Exec(partitionSQL)
	admin := connect(t, db, "")
	for round := range 2 {
		serving, err := GrantTo(t.Context(), admin, role)
		if err != nil || len(serving.Refused) > 0 {
			t.Fatalf("GrantTo = %+v, %v; want all granted", serving, err)
		}
		if round == 1 && len(serving.Granted) > 0 {
			t.Errorf("GrantTo once more grants %s; want nothing, as it is all there", strings.Join(serving.Granted, "; "))
		}
	}
	if _, err := connect(t, db, role).Exec(t.Context(), `insert into realtime.messages (topic, extension, inserted_at) values ('t', 'broadcast', '2024-01-02 10:00')`); err != nil {
		t.Errorf("the role may not put a row into realtime.messages: %v", err)
	}
}

// TestGrantToPrintsWhatItMayNotDo, with the statement.
func TestGrantToPrintsWhatItMayNotDo(t *testing.T) {
	db, conn := ownedDB(t)
	mustApply(t, conn)
	role := db.Name + "_walcast"
	db.Exec("create role " + role + " login")
	t.Cleanup(func() { db.Exec("drop owned by " + role + "; drop role " + role) })
	serving, err := GrantTo(t.Context(), conn, role)
	if err != nil || len(serving.Refused) == 0 || serving.Refused[0].Statement != "alter role "+role+" replication" || serving.Refused[0].Reason == "" {
		t.Errorf("GrantTo by an owner without further rights = %+v, %v; want it to refuse REPLICATION", serving, err)
	}
	for _, statement := range serving.Granted {
		if strings.Contains(strings.ToLower(statement), "bypassrls") {
			t.Errorf("GrantTo runs %s", statement)
		}
	}
}

// TestGrantToLetsARoleBecomeWhatItIsAMemberOf: whoever creates a role is a member of it from
// 16 on, with the right to grant it and without that to become it.
func TestGrantToLetsARoleBecomeWhatItIsAMemberOf(t *testing.T) {
	db := devdb.Open(t)
	if db.Server.Major < 16 {
		return // who is a member may become the role
	}
	devdb.SupabaseRoles(db)
	role := db.Name + "_walcast"
	db.Exec("create role " + role + " login replication; grant anon, authenticated, service_role to " + role + " with admin true, set false, inherit false")
	t.Cleanup(func() { db.Exec("drop owned by " + role + "; drop role " + role) })
	admin := connect(t, db, "")
	for round := range 2 {
		serving, err := GrantTo(t.Context(), admin, role)
		if err != nil || len(serving.Refused) > 0 || round == 1 && len(serving.Granted) > 0 {
			t.Errorf("GrantTo, round %d = %+v, %v; want all granted in the first", round, serving, err)
		}
	}
	if _, err := connect(t, db, role).Exec(t.Context(), "set role anon"); err != nil {
		t.Errorf("the role may not become anon: %v", err)
	}
}
