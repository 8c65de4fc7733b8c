package catalog

import (
	"testing"

	"walcast/internal/devdb"
)

// TestWhatBindingsDependOnHasAFingerprint: each change gives another one, of the table or of
// what all have in common, and what binds nobody gives the same.
func TestWhatBindingsDependOnHasAFingerprint(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	role := db.Name + "_reader"
	db.Exec(`create role ` + role + ` bypassrls`)
	t.Cleanup(func() { db.Exec(`drop role if exists ` + role) })
	db.Exec(`create table t (id int, room int not null, note text, primary key (id, room)); create unique index by_room on t (room, id); alter table t enable row level security;
		create table root (id int primary key) partition by range (id); create table half partition of root for values from (0) to (100) partition by range (id);
		create table leaf partition of half for values from (0) to (10);
		create table early partition of root for values from (200) to (300);
		create publication rows for table t, root`)
	c := New(db.Pool, []string{"rows"})
	relations := []uint32{relationOID(t, db, "t"), relationOID(t, db, "leaf"), relationOID(t, db, "root")}
	take := func() Prints {
		t.Helper()
		p, err := c.Prints(t.Context(), relations)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const none, common, ofT, ofLeaf, ofRoot = "nothing", "what all have in common", "t", "leaf", "root"
	for _, change := range []struct{ sql, of string }{
		{`insert into t values (1, 1); insert into root values (1)`, none},
		{`analyze t, leaf`, none},
		{`create index by_note on t (note)`, none},
		{`alter table t replica identity using index by_room`, ofT},
		{`drop index by_room`, ofT},
		{`alter table t replica identity default`, ofT},
		{`alter table t drop constraint t_pkey, add primary key (id)`, ofT},
		{`alter table t drop constraint t_pkey`, ofT},
		{`alter table t add primary key (id) deferrable`, ofT},
		{`alter table t force row level security`, ofT},
		{`alter table early replica identity full`, ofRoot},
		{`create unique index early_by_id on early (id)`, none},
		{`alter table early replica identity using index early_by_id`, ofRoot},
		{`drop index early_by_id`, ofRoot},
		{`create table late partition of root for values from (300) to (400)`, ofRoot},
		{`alter table root detach partition half`, ofLeaf},
		{`alter role ` + role + ` nobypassrls`, common},
		{`alter role ` + role + ` noinherit`, common},
		{`alter publication rows set (publish = 'insert')`, common},
	} {
		before := take()
		db.Exec(change.sql)
		after := take()
		got := none
		switch {
		case before.Common != after.Common:
			got = common
		case before.Relations[relations[0]] != after.Relations[relations[0]]:
			got = ofT
		case before.Relations[relations[1]] != after.Relations[relations[1]]:
			got = ofLeaf
		case before.Relations[relations[2]] != after.Relations[relations[2]]:
			got = ofRoot
		}
		// Other tests may change roles at the same time.
		if got != change.of && (change.of == common || got != common) {
			t.Errorf("%s changes the fingerprint of %s; want that of %s", change.sql, got, change.of)
		}
	}
}
