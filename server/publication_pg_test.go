package server

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
)

const publishedTables = `
	create table listed (id int primary key, seen text, secret text); grant select on listed to anon;
	create table filtered (id int primary key, open bool); alter table filtered replica identity full; grant select on filtered to anon;
	create table parts (id int primary key, v text) partition by range (id); grant select on parts to anon;
	create table "Part 1" partition of parts for values from (0) to (10); grant select on "Part 1" to anon;
	create table part2 partition of parts for values from (10) to (20);
	create table emptied (id int primary key); grant select on emptied to anon;
	create table last (id int primary key); grant select on last to anon;`

// published is what comes of the statements of TestWhatPublicationsMakeOfChanges.
type published struct {
	Type, Schema, Table string
	Record              map[string]any
	Old                 map[string]any `json:"old_record"`
}

// TestWhatPublicationsMakeOfChanges: with column lists, row filters and the root option of
// a publication, and TRUNCATE for a binding that names it.
func TestWhatPublicationsMakeOfChanges(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(publishedTables)
	var version int
	if err := db.Pool.QueryRow(t.Context(), "select current_setting('server_version_num')::int").Scan(&version); err != nil {
		t.Fatal(err)
	}
	lists, want := "", []published{}
	if version >= 150000 { // before, publications have no lists and no filters
		lists = "listed (id, seen), filtered where (open), "
		want = []published{
			{Type: "INSERT", Schema: "public", Table: "listed", Record: map[string]any{"id": 1.0, "seen": "a"}},
			{Type: "UPDATE", Schema: "public", Table: "listed", Record: map[string]any{"id": 1.0, "seen": "b"}, Old: map[string]any{"id": 1.0}},
			{Type: "INSERT", Schema: "public", Table: "filtered", Record: map[string]any{"id": 1.0, "open": true}},
			// Into and out of the filter, Postgres makes an INSERT and a DELETE of an UPDATE.
			{Type: "INSERT", Schema: "public", Table: "filtered", Record: map[string]any{"id": 2.0, "open": true}},
			{Type: "DELETE", Schema: "public", Table: "filtered", Old: map[string]any{"id": 1.0, "open": true}},
		}
	}
	db.Exec("create publication supabase_realtime for table " + lists + "parts, emptied, last with (publish_via_partition_root = true)")
	c := startServer(t, configFor(db)).dial(t, "2.0.0")
	c.send("1", "realtime:all", "phx_join", `{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"*"},{"event":"TRUNCATE","schema":"public","table":"emptied"}]}}`)
	c.next("system")
	db.Exec(`insert into listed values (1, 'a', 'hidden'); update listed set seen = 'b', secret = 'hidden too';
		insert into filtered values (1, true), (2, false); update filtered set open = true where id = 2; update filtered set open = false where id = 1;
		insert into parts values (1, 'one'), (11, 'two'); update parts set id = 12 where id = 1; delete from parts where id = 11;
		insert into emptied values (1); truncate emptied; truncate last; insert into last values (1)`)
	want = append(want,
		published{Type: "INSERT", Schema: "public", Table: "parts", Record: map[string]any{"id": 1.0, "v": "one"}},
		published{Type: "INSERT", Schema: "public", Table: "parts", Record: map[string]any{"id": 11.0, "v": "two"}},
		// From one partition to another, an UPDATE is both.
		published{Type: "DELETE", Schema: "public", Table: "parts", Old: map[string]any{"id": 1.0}},
		published{Type: "INSERT", Schema: "public", Table: "parts", Record: map[string]any{"id": 12.0, "v": "one"}},
		published{Type: "DELETE", Schema: "public", Table: "parts", Old: map[string]any{"id": 11.0}},
		published{Type: "INSERT", Schema: "public", Table: "emptied", Record: map[string]any{"id": 1.0}},
		published{Type: "TRUNCATE", Schema: "public", Table: "emptied"},
		published{Type: "INSERT", Schema: "public", Table: "last", Record: map[string]any{"id": 1.0}},
	)
	var got []published
	for range want {
		var change struct{ Data published }
		payload := c.next("postgres_changes").Payload
		if err := json.Unmarshal(payload, &change); err != nil {
			t.Fatal(fmt.Errorf("change %s: %w", payload, err))
		}
		got = append(got, change.Data)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}
