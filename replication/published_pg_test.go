package replication

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// TestPublishedIsWhatTheStreamSends compares what a binding is checked against
// with what the decoder makes of a row of the same table.
func TestPublishedIsWhatTheStreamSends(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(`
		create type mood as enum ('sad', 'ok');
		create domain score as int;
		create table plain (id int primary key, name varchar(10), gone int, mood mood, at timestamptz(3)[]);
		alter table plain drop column gone;
		create table complete (id int primary key, score score); alter table complete replica identity full;
		create table keyless (id int, b text); alter table keyless replica identity full;
		create table indexed (id int primary key, code text not null unique); alter table indexed replica identity using index indexed_code_key;
		create table generated (id int primary key, twice int generated always as (id * 2) stored);
		create table listed (id int primary key, seen text, secret text);
		create table parts (id int primary key, n int) partition by range (id);
		create table part1 partition of parts for values from (0) to (10);
		create table mixed (id int primary key, code int not null, note text) partition by range (id); alter table mixed replica identity full;
		create table mixed1 (note text, id int primary key, code int not null unique); alter table mixed1 replica identity using index mixed1_code_key;
		alter table mixed attach partition mixed1 for values from (0) to (10);
		create table mixed2 partition of mixed for values from (10) to (20); alter table mixed2 replica identity full;
		create table leafs (id int primary key, n int) partition by range (id);
		create table leaf1 partition of leafs for values from (0) to (10);
		create publication pub for table plain, complete, keyless, indexed, generated, leafs;
		create publication roots for table parts, mixed with (publish_via_partition_root)`)
	insert := `insert into plain values (1); insert into complete values (1); insert into keyless values (1); insert into indexed values (1, 'a');
		insert into generated values (1); insert into parts values (1); insert into leafs values (1); insert into mixed values (1, 1), (11, 1)`
	names := []string{"complete", "generated", "indexed", "keyless", "leaf1", "mixed", "parts", "plain"}
	if serverVersion(t, db) >= 150000 {
		db.Exec(`alter publication pub add table listed (id, seen)`)
		insert += `; insert into listed values (1)`
		names = append(names, "listed")
	}
	publications := []string{"pub", "roots"}
	r := startReader(t, db, holding(), func(s *setup) {
		s.config.Publications = publications
	})
	db.Exec(insert)
	sent := make(map[string]*wal.Relation)
	for _, c := range r.next(len(names) + 1) { // two of mixed
		sent[c.Relation.Table] = c.Relation
	}
	published, err := catalog.New(db.Pool, publications).Published(t.Context(), "*", "*")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range published {
		got = append(got, p.Table)
		if s := sent[p.Table]; !p.SameShape(s) {
			t.Errorf("published %s is not what is sent (-sent +published):\n%s", p.Table, cmp.Diff(shape(s), shape(p)))
		}
	}
	slices.Sort(names)
	slices.Sort(got)
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("published tables differ (-want +got):\n%s", diff)
	}
}

func serverVersion(t *testing.T, db *devdb.DB) (version int) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), `select current_setting('server_version_num')::int`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// shape is a relation as a person can compare it.
func shape(r *wal.Relation) []string {
	if r == nil {
		return nil
	}
	lines := []string{r.Schema + "." + r.Table + " " + string(r.ReplicaIdentity)}
	for i, c := range r.Columns {
		line := c.Name + " " + c.Type.Name
		if c.Identity {
			line += " identity"
		}
		if c.Key {
			line += " key"
		}
		line += [...]string{", never old", ", sometimes old", ", always old"}[r.OldHas(i)]
		lines = append(lines, line)
	}
	return lines
}
