package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

// table is a client that keeps a table: rows by their key, as a snapshot and the changes
// after it say. Every row is the JSON of its record.
type table struct {
	*client
	rows    map[string]string
	next    map[string]string // of the snapshot that is being sent; nil without one
	told    []string          // codes of system events, and what else is worth a look
	reasons []string          // of snapshots
	key     []string
	last    string // the newest position
	resumed string // the position of the newest snapshot_end
	begun   string // the newest snapshot
	asks    int
	torn    int // changes since the last end of a transaction
}

// firstRows is the binding of a client that keeps a table.
func firstRows(table, more string) string {
	return fmt.Sprintf(`{"event":"*","schema":"public","table":%q,"snapshot":true%s}`, table, more)
}

// keep joins a topic with bindings and reads up to the end of the snapshot.
func (s *running) keep(t *testing.T, bindings string) *table {
	t.Helper()
	k := s.joinTable(t, bindings)
	k.until("snapshot_end")
	return k
}

// joinTable joins a topic with bindings.
func (s *running) joinTable(t *testing.T, bindings string) *table {
	t.Helper()
	k := &table{client: s.dial(t, "2.0.0"), rows: map[string]string{}}
	k.send("1", room, "phx_join", `{"config":{"postgres_changes":[`+bindings+`]}}`)
	return k
}

// keyOf is the key of a record.
func (k *table) keyOf(record map[string]json.RawMessage) string {
	var parts []string
	for _, name := range k.key {
		parts = append(parts, string(record[name]))
	}
	return strings.Join(parts, ",")
}

// payload is what of all events a client that keeps a table looks at.
type payload struct {
	Code, Status, Reason, Position, Snapshot, Message string
	Key                                               []string
	Bindings                                          []int64
	Rows                                              int
	Request                                           json.RawMessage
	IDs                                               []int64
	Data                                              struct {
		Type     string
		LSN      *string
		Seq      *int
		XID      *uint32
		Snapshot bool
		Record   json.RawMessage
		Old      json.RawMessage `json:"old_record"`
	}
	Response struct{ Position *string }
}

// step reads one event and applies it. It returns what it was.
func (k *table) step() (what string, p payload) {
	k.t.Helper()
	r := k.client.next("postgres_changes", "postgres_commit", "progress", "phx_reply", "system", "phx_error", "phx_close")
	if err := json.Unmarshal(r.Payload, &p); err != nil {
		k.t.Fatalf("read %s: %v", r.Payload, err)
	}
	switch r.Event {
	case "system":
		if what = p.Code; what == "" {
			what = p.Message
		}
		k.told = append(k.told, what)
		k.system(p)
	case "postgres_changes":
		what = "row"
		if !p.Data.Snapshot {
			what = "change"
		}
		k.change(p)
	case "postgres_commit":
		what, k.torn, k.last = "commit", 0, p.Position
	case "progress":
		what = "progress " + strings.Trim(string(p.Request), `"`)
	default:
		what = r.Event + " " + p.Status
	}
	return what, p
}

func (k *table) system(p payload) {
	switch p.Code {
	case "snapshot_begin":
		k.next, k.key, k.begun = map[string]string{}, p.Key, p.Snapshot
		k.reasons = append(k.reasons, p.Reason)
	case "snapshot_end":
		if p.Rows != len(k.next) || p.Snapshot != k.begun {
			k.t.Errorf("snapshot_end is of %d rows and %s; %d came after the begin of %s", p.Rows, p.Snapshot, len(k.next), k.begun)
		}
		k.rows, k.next, k.last, k.resumed, k.torn = k.next, nil, p.Position, p.Position, 0
	}
}

// change applies a change. One that comes twice, or to a row that is not there, is a
// fault: nothing is to come that the snapshot has.
func (k *table) change(p payload) {
	k.t.Helper()
	var record, old map[string]json.RawMessage
	if p.Data.Record != nil {
		_ = json.Unmarshal(p.Data.Record, &record)
	}
	if p.Data.Old != nil {
		_ = json.Unmarshal(p.Data.Old, &old)
	}
	key := k.keyOf(record)
	switch {
	case p.Data.Snapshot:
		if k.next == nil || p.Data.Type != "INSERT" || p.Data.LSN != nil || p.Data.Seq != nil || p.Data.XID != nil {
			k.t.Errorf("row %+v of a snapshot; want an INSERT after snapshot_begin without a position", p.Data)
		}
		k.next[key] = string(p.Data.Record)
		return
	case k.next != nil:
		k.t.Errorf("%s %s came amid the rows of a snapshot", p.Data.Type, p.Data.Record)
	}
	k.last, k.torn = fmt.Sprintf("%s:%d", *p.Data.LSN, *p.Data.Seq), k.torn+1
	_, had := k.rows[key]
	if p.Data.Type == "DELETE" || p.Data.Type == "UPDATE" {
		oldKey := k.keyOf(old)
		if _, hadOld := k.rows[oldKey]; !hadOld {
			k.t.Errorf("%s of a row that is not there: %s at %s", p.Data.Type, p.Data.Old, k.last)
		}
		delete(k.rows, oldKey)
		if had = had && oldKey != key; p.Data.Type == "DELETE" {
			return
		}
	}
	if had {
		k.t.Errorf("%s of a row that is there: %s at %s, snapshot %s", p.Data.Type, p.Data.Record, k.last, k.begun)
	}
	k.rows[key] = string(p.Data.Record)
}

// until reads up to an event.
func (k *table) until(what string) payload {
	k.t.Helper()
	for {
		if got, p := k.step(); got == what {
			return p
		}
	}
}

// sync reads up to the answer to progress, and returns its snapshot.
func (k *table) sync() string {
	k.t.Helper()
	k.asks++
	ref := fmt.Sprint("sync", k.asks)
	k.ask(room, ref, `{}`)
	return k.until("progress " + ref).Snapshot
}

// want compares what the client has with a query that returns the records as JSON.
func (k *table) want(db *devdb.DB, query string) {
	k.t.Helper()
	k.sync()
	want := recordsOf(k.t, db, query)
	got := slices.Sorted(maps.Values(k.rows))
	if !slices.Equal(got, want) {
		k.t.Errorf("the client has %q; SELECT says %q", got, want)
	}
	if k.torn != 0 {
		k.t.Errorf("%d changes of a transaction had come, and not its end", k.torn)
	}
}

// recordsOf are the records of a query, in order.
func recordsOf(t *testing.T, db *devdb.DB, query string) []string {
	t.Helper()
	rows, err := db.Pool.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	records, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(records)
	return records
}

// noteRows are all rows of notes as clients have them.
const noteRows = `select format('{"id":%s,"room":%s,"body":%s}', id, room, coalesce(to_json(body)::text, 'null')) from notes`

const notesTable = `
	create table notes (id int primary key, room int not null, body text);
	alter table notes replica identity full; grant select on notes to anon;
	create publication supabase_realtime for table notes`

// notesDatabase has notes, on a server that knows prepared transactions.
func notesDatabase(t *testing.T, settings map[string]string) *devdb.DB {
	t.Helper()
	all := map[string]string{"max_prepared_transactions": "20"}
	maps.Copy(all, settings)
	db := devdb.OpenServer(t, devdb.Options{Settings: all, TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(notesTable)
	db.Exec(`insert into notes select n, n % 3, 'n' || n from generate_series(1, 20) n`)
	return db
}

// open is a connection of the test's own.
func open(t *testing.T, db *devdb.DB) func(sql string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return func(sql string) {
		t.Helper()
		if _, err := conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}
