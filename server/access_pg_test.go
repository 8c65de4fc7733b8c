package server

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

// accessTables are not analyzed: what Postgres says of a table then could be about its
// grants, so that rows right behind a change of these would have to be read again.
const accessTables = `
	create table docs (id int primary key, owner uuid, org int, body text, secret text) with (autovacuum_enabled = off);
	alter table docs replica identity full;
	create table marks (id int primary key);
	create function other_orgs(int) returns bool language sql stable as 'select $1 = 8';
	create publication supabase_realtime for table docs, marks;`

// roleAge is the limit stated for what hangs on roles, in this test.
const roleAge = 300 * time.Millisecond

// noticed is how long after a change of roles it must have been noticed: the
// limit, a second in which deliveries go by what they know, and time for a loaded
// machine.
const noticed = roleAge + time.Second + 15*time.Second

// accessTurn is one change of what may be seen. READER is the role whose access
// changes, GROUP one that it may become a member of.
type accessTurn struct {
	name, sql string
	roles     bool // no Relation message tells of it, or not which rows are older
}

var accessTurns = []accessTurn{
	{"grant of the table", "grant select on docs to READER", false},
	{"policy for own rows", "alter table docs enable row level security; create policy own on docs for select to READER using (owner = auth.uid())", false},
	{"second policy", "create policy team on docs for select to GROUP using (org = 7)", false},
	{"membership", "grant GROUP to READER", true},
	{"membership lost", "revoke GROUP from READER", true},
	{"policy that Postgres is asked about", "create policy asked on docs for select to READER using (other_orgs(org))", false},
	{"column taken away", "revoke select on docs from READER; grant select (id, owner, org, body) on docs to READER", false},
	{"restrictive policy", "create policy no_body on docs as restrictive for select to READER using (body is distinct from 'b')", false},
	{"another policy in place of one", "alter policy own on docs using (owner = auth.uid() and org = 9)", false},
	{"policy dropped", "drop policy asked on docs", true},
	{"above row-level security", "alter role READER bypassrls", true},
	{"no more above it", "alter role READER nobypassrls", true},
	{"policy dropped that restricts", "drop policy no_body on docs", true},
	{"column given back", "grant select on docs to READER", false},
	{"row-level security off", "alter table docs disable row level security", false},
	{"on again", "alter table docs enable row level security", false},
	{"grant taken away", "revoke select on docs from READER", false},
}

// TestNobodyReceivesARowBeforeGainingOrAfterLosingAccess changes grants, column
// grants, policies, roles and their membership while rows flow. A row that is
// written when nothing has changed for the stated time, which is none for all
// but roles, arrives exactly as Postgres would show it then; one that is written
// later than that after access was lost does not arrive.
func TestNobodyReceivesARowBeforeGainingOrAfterLosingAccess(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(accessTables)
	w := &accessWatch{T: t, db: db, reader: testRole(t, db, "reader"), group: testRole(t, db, "grp")}
	db.Exec(fmt.Sprintf("grant usage on schema public, auth to %s; grant select on marks to %[1]s", w.reader))
	c := configFor(db)
	c.Policy.AccessAge = roleAge
	s := startServer(t, c)
	w.join(s)
	w.flow()
	w.step("nothing", false)
	names := strings.NewReplacer("READER", w.reader, "GROUP", w.group)
	for _, turn := range accessTurns {
		db.Exec(names.Replace(turn.sql))
		w.step(turn.name, turn.roles)
	}
}

// accessWatch is one subject, and what it gets.
type accessWatch struct {
	*testing.T
	db            *devdb.DB
	reader, group string
	client        *client
	ids, marks    int
}

const watcher = "00000000-0000-4000-8000-000000000001"

func (w *accessWatch) join(s *running) {
	claims := jwt.MapClaims{"role": w.reader, "sub": watcher, "exp": time.Now().Add(time.Hour).Unix()}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		w.Fatal(err)
	}
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.Addr()+"/socket/websocket?vsn=2.0.0&apikey="+signed, nil)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { conn.Close() })
	w.client = &client{t: w.T, conn: conn, vsn: "2.0.0"}
	w.client.send("1", "realtime:access", "phx_join", `{"config":{"presence":{"enabled":false},"postgres_changes":[`+
		`{"event":"*","schema":"public","table":"docs"},{"event":"INSERT","schema":"public","table":"marks"}]}}`)
	w.client.next("system")
}

// flowing are the ids of rows that others write all the time.
const flowing = 1_000_000

// flow writes rows until the test ends, so that what is known of the table is
// asked for at any moment.
func (w *accessWatch) flow() {
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for id := flowing; ctx.Err() == nil; id++ {
			if _, err := w.db.Pool.Exec(ctx, "insert into docs values ($1, $2, 8, 'a', 's')", id, watcher); err != nil && ctx.Err() == nil {
				w.Errorf("write row %d: %v", id, err)
				return
			}
			<-time.After(2 * time.Millisecond) // leave the machine to others
		}
	}()
	w.Cleanup(func() {
		cancel()
		<-done
	})
}

// step writes rows under what holds now. After a change of roles it writes until
// the change has been noticed, which must be within its limit.
func (w *accessWatch) step(name string, roles bool) {
	w.Helper()
	deadline := time.Now().Add(noticed)
	wrong := w.write()
	for roles && wrong != "" && time.Now().Before(deadline) {
		wrong = w.write()
	}
	if wrong == "" {
		wrong = w.write() // and so it stays
	}
	if wrong != "" {
		w.Errorf("%s: %s", name, wrong)
	}
}

// write inserts one row of each kind and compares what comes with what Postgres
// shows the subject.
func (w *accessWatch) write() (wrong string) {
	first := w.ids + 1
	for _, owner := range []string{"'" + watcher + "'", "'00000000-0000-4000-8000-000000000002'", "null"} {
		for _, org := range []int{7, 8, 9} {
			for _, body := range []string{"a", "b"} {
				w.ids++
				w.db.Exec(fmt.Sprintf("insert into docs values (%d, %s, %d, '%s', 's')", w.ids, owner, org, body))
			}
		}
	}
	want, readable := w.shown(first)
	got := w.received()
	for id := first; id <= w.ids; id++ {
		if a, b := fmt.Sprint(want[id]), fmt.Sprint(got[id]); a != b {
			wrong = fmt.Sprintf("row %d came as %s; Postgres shows %s", id, b, a)
		}
	}
	if !readable && len(got) > 0 {
		wrong = fmt.Sprintf("rows came of a table that may not be read: %v", got)
	}
	return wrong
}

// shown is what Postgres shows the subject of the newest rows: the columns that
// it may see of the rows that it may see. readable is false when it may see no
// column at all.
func (w *accessWatch) shown(first int) (shown map[int]map[string]any, readable bool) {
	w.Helper()
	tx, err := w.db.Pool.Begin(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	defer tx.Rollback(w.Context())
	claims := fmt.Sprintf(`{"sub":"%s","role":"%s"}`, watcher, w.reader)
	if _, err := tx.Exec(w.Context(), "select set_config('request.jwt.claims', $1, true), set_config('role', $2, true)", claims, w.reader); err != nil {
		w.Fatal(err)
	}
	var columns []string
	if err := tx.QueryRow(w.Context(), `select coalesce(array_agg(attname::text), '{}') from pg_attribute where attrelid = 'docs'::regclass and attnum > 0
		and has_column_privilege('docs', attnum, 'SELECT')`).Scan(&columns); err != nil {
		w.Fatal(err)
	}
	if len(columns) == 0 {
		return nil, false
	}
	shown = map[int]map[string]any{}
	list := ""
	for _, c := range columns {
		list += fmt.Sprintf(", '%s', %[1]s", c)
	}
	// Planned anew: a plan that is kept has the policies of when it was made.
	rows, err := tx.Query(w.Context(), "select id, json_build_object("+list[2:]+")::text from docs where id between $1 and $2", pgx.QueryExecModeExec, first, w.ids)
	if err != nil {
		w.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			w.Fatal(err)
		}
		shown[id] = decodeRow(w.T, []byte(text))
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	return shown, true
}

func decodeRow(t *testing.T, text []byte) (row map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &row); err != nil {
		t.Fatalf("row %s: %v", text, err)
	}
	return row
}

// received is what came of the newest rows, before a mark that is written now. A
// client that is told to resync misses what came before, so it gets another mark.
func (w *accessWatch) received() map[int]map[string]any {
	w.Helper()
	w.mark()
	got := map[int]map[string]any{}
	for {
		var change struct {
			Data struct {
				Table  string
				Record map[string]any
			}
		}
		next := w.client.next("postgres_changes", "system")
		payload := next.Payload
		if next.Event == "system" {
			w.mark()
			continue
		}
		if err := json.Unmarshal(payload, &change); err != nil {
			w.Fatalf("change %s: %v", payload, err)
		}
		id, named := change.Data.Record["id"].(float64)
		switch {
		case change.Data.Table == "marks":
			if int(id) == w.marks {
				return got
			}
		case named && id < flowing: // Error 401 has no row
			got[int(id)] = change.Data.Record
		}
	}
}

func (w *accessWatch) mark() {
	w.marks++
	w.db.Exec(fmt.Sprintf("insert into marks values (%d)", w.marks))
}

// testRole makes a role of this test only; it goes with the test.
func testRole(t *testing.T, db *devdb.DB, suffix string) string {
	t.Helper()
	name := db.Name + "_" + suffix
	db.Exec("create role " + name + " nologin")
	t.Cleanup(func() {
		for _, s := range []string{"drop owned by %s cascade", "drop role %s"} {
			if _, err := db.Pool.Exec(context.Background(), fmt.Sprintf(s, name)); err != nil {
				t.Errorf("%s %s: %v", s, name, err)
			}
		}
	})
	return name
}
