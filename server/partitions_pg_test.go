package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"walcast/internal/devdb"
)

// item is a row of a table whose partitions have replica identities of their own: its
// values by column, as JSON has them.
type item map[string]any

// items are such a table, and what each client is to get of what is done to it.
type items struct {
	t        *testing.T
	db       *devdb.DB
	random   *rand.Rand
	rows     map[int]item
	identity [4]string               // of the partitions: key, index or full
	want     map[string][]itemChange // by client
}

// itemChange is a change as a client is told of it.
type itemChange struct {
	As       string
	Row, Old item
	isPartly bool // of Old only what is there must be right
}

const (
	itemsAnn = "00000000-0000-4000-8000-00000000000a"
	itemsBob = "00000000-0000-4000-8000-00000000000b"

	itemsSQL = `
		create table items (id int primary key, code int not null, owner uuid, note text) partition by range (id);
		create table items_0 partition of items for values from (0) to (100);
		create table items_1 (note text, gone int, owner uuid, code int not null, id int primary key); alter table items_1 drop column gone;
		alter table items attach partition items_1 for values from (100) to (200);
		create table items_2 partition of items for values from (200) to (300); create unique index items_2_code on items_2 (code);
		create table items_end partition of items for values from (900) to (1000);
		alter table items enable row level security; create policy owned on items for select to authenticated using (owner = auth.uid());
		grant select on items to authenticated, service_role;
		create publication supabase_realtime for table items with (publish_via_partition_root)`
)

// lacks are the columns that old rows of a partition do not have.
func (i *items) lacks(id int) []string {
	return map[string][]string{"key": {"code", "note", "owner"}, "index": {"id", "note", "owner"}}[i.identity[id/100]]
}

// identify gives a partition another replica identity.
func (i *items) identify(partition int, identity string) {
	as := map[string]string{"key": "default", "full": "full", "index": fmt.Sprintf("using index items_%d_code", partition)}[identity]
	i.db.Exec(fmt.Sprintf("alter table items_%d replica identity %s", partition, as))
	i.identity[partition] = identity
}

// write inserts, updates or deletes a row, and notes who is to be told what.
func (i *items) write() {
	partition := i.random.IntN(len(i.identity))
	if i.identity[partition] == "" {
		return
	}
	id := 100*partition + i.random.IntN(4)
	old := i.rows[id]
	switch {
	case old == nil:
		row := item{"id": float64(id), "code": float64(i.random.IntN(1 << 30)), "owner": i.pick(nil, itemsAnn, itemsBob), "note": i.pick(nil, "x", "y")}
		i.db.Exec(`insert into items values ($1, $2, $3, $4)`, id, int(row["code"].(float64)), row["owner"], row["note"])
		i.rows[id] = row
		i.tell("INSERT", id, row, nil, "service", row["owner"])
	case i.random.IntN(2) == 0:
		row := maps.Clone(old)
		row["note"] = i.pick(nil, "x", "y")
		if i.random.IntN(2) == 0 {
			row["code"] = float64(i.random.IntN(1 << 30))
		}
		i.db.Exec(`update items set code = $2, note = $3 where id = $1`, id, int(row["code"].(float64)), row["note"])
		i.rows[id] = row
		i.tell("UPDATE", id, row, old, "service", row["owner"])
	default:
		i.db.Exec(`delete from items where id = $1`, id)
		delete(i.rows, id)
		i.tell("DELETE", id, nil, old, "service", itemsAnn, itemsBob)
		if len(i.lacks(id)) == 0 && old["note"] == "x" {
			i.tell("DELETE", id, nil, old, "filter")
		}
	}
}

func (i *items) pick(of ...any) any { return of[i.random.IntN(len(of))] }

// tell notes a change for clients. A DELETE is for those of whom it is not known that they
// could not see the row, and with the key alone if that is not known to be so.
func (i *items) tell(as string, id int, row, old item, clients ...any) {
	lacks := i.lacks(id)
	for _, c := range clients {
		client, _ := c.(string)
		shown := maps.Clone(old)
		if as == "DELETE" && client != "service" && client != "filter" {
			if len(lacks) == 0 && old["owner"] != client {
				continue
			}
			if len(lacks) > 0 {
				maps.DeleteFunc(shown, func(column string, _ any) bool { return column != "id" })
			}
		}
		change := itemChange{As: as, Row: row, Old: shown, isPartly: as == "UPDATE" && len(lacks) > 0}
		if !change.isPartly {
			maps.DeleteFunc(shown, func(column string, _ any) bool { return slices.Contains(lacks, column) })
		}
		i.want[client] = append(i.want[client], change)
	}
}

// TestOldRowsOfPartitionsAreNeverGuessed writes at random to partitions whose replica identities
// differ from each other and from their root's, and change: no old row has a NULL, or a key, that the row
// did not have, no DELETE is lost, and nobody gets one of a row that is known to be another's.
func TestOldRowsOfPartitionsAreNeverGuessed(t *testing.T) {
	for _, root := range []string{"default", "full"} {
		t.Run("root "+root, func(t *testing.T) {
			db := devdb.Open(t)
			devdb.SupabaseRoles(db)
			db.Exec(itemsSQL + "; alter table items_end replica identity full; alter table items replica identity " + root)
			i := &items{t: t, db: db, random: rand.New(rand.NewPCG(1, 0)), rows: map[int]item{}, want: map[string][]itemChange{}}
			i.identity = [4]string{"key", "key", "key", ""}
			s := startServer(t, configFor(db))
			clients := map[string]*client{
				"service": itemsClient(s, t, "service_role", "", `"event":"*"`), "filter": itemsClient(s, t, "service_role", "", `"event":"DELETE","filter":"note=eq.x"`),
				itemsAnn: itemsClient(s, t, "authenticated", itemsAnn, `"event":"*"`), itemsBob: itemsClient(s, t, "authenticated", itemsBob, `"event":"*"`),
			}
			for n, step := range []func(){
				func() {},
				func() { i.identify(1, "full") },
				func() { i.identify(2, "index") },
				func() { i.db.Exec("alter table items replica identity nothing") },
				func() { i.identify(2, "full"); i.identify(0, "full") },
				func() {
					i.db.Exec(`create table items_3 partition of items for values from (300) to (400)`)
					i.identity[3] = "key"
				},
				func() {
					i.db.Exec(`alter table items add more text; alter table items drop more`)
					i.identify(1, "key")
				},
			} {
				step()
				for range 60 {
					i.write()
				}
				i.compare(n, clients)
			}
		})
	}
}

// compare ends a step with rows that all clients get.
func (i *items) compare(step int, clients map[string]*client) {
	i.t.Helper()
	id := 900 + 2*step
	i.db.Exec(`insert into items values ($1, 1, $2, 'x'), ($1 + 1, 1, $3, 'x')`, id, itemsAnn, itemsBob)
	i.db.Exec(`delete from items where id = $1`, id)
	i.db.Exec(`delete from items where id = $1`, id+1)
	for name, c := range clients {
		last := id + 1
		if name == itemsAnn {
			last = id
		}
		got, want := c.itemsUntil(last), i.want[name]
		for n := range min(len(got), len(want)) {
			if w := want[n]; w.isPartly {
				maps.DeleteFunc(w.Old, func(column string, _ any) bool { _, has := got[n].Old[column]; return !has })
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(itemChange{}), cmpopts.EquateEmpty()); diff != "" {
			i.t.Fatalf("step %d, partitions %q: client %q (-want +got):\n%s", step, i.identity, name, diff)
		}
	}
	clear(i.want)
}

func itemsClient(s *running, t *testing.T, role, sub, binding string) *client {
	t.Helper()
	c := s.dial(t, "2.0.0")
	c.send("1", "realtime:items", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[{%s,"schema":"public","table":"items"}]},"access_token":%q}`, binding, userToken(t, role, sub)))
	c.wantSystem("ok", "Subscribed to PostgreSQL")
	return c
}

// itemsUntil are the changes that come before the DELETE of the row that ends a step.
func (c *client) itemsUntil(last int) (all []itemChange) {
	c.t.Helper()
	for {
		var p struct {
			Data struct {
				Type   string
				Record item
				Old    item `json:"old_record"`
			}
		}
		if err := json.Unmarshal(c.next("postgres_changes").Payload, &p); err != nil {
			c.t.Fatal(err)
		}
		d := p.Data
		switch id, _ := d.Old["id"].(float64); {
		case d.Type == "DELETE" && int(id) == last:
			return all
		case id < 900 && (d.Record == nil || d.Record["id"].(float64) < 900):
			all = append(all, itemChange{As: d.Type, Row: d.Record, Old: d.Old})
		}
	}
}
