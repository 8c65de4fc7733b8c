package server

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// crossings are changes that open a table to anon, and what it is as long as it is
// closed. TABLE is its name.
var crossings = []struct{ closed, opening string }{
	{"alter table TABLE enable row level security; create policy p on TABLE using (false)", "alter policy p on TABLE using (true)"},
	{"alter table TABLE enable row level security", "create policy p on TABLE using (true)"},
	{"alter table TABLE enable row level security", "alter table TABLE disable row level security"},
	{"revoke select on TABLE from anon", "grant select on TABLE to anon"},
	{
		"alter table TABLE enable row level security; create policy p on TABLE using (true); create policy r on TABLE as restrictive using (false)",
		"drop policy r on TABLE",
	},
	{
		"create function is_TABLE() returns bool language plpgsql stable as 'begin return false; end';" +
			"alter table TABLE enable row level security; create policy p on TABLE using (is_TABLE())",
		"create or replace function is_TABLE() returns bool language plpgsql stable as 'begin return true; end'",
	},
	{
		"create domain kind_TABLE as text constraint closed check (value <> 'secret'); alter table TABLE enable row level security;" +
			"create policy p on TABLE using (body::kind_TABLE is not null or body is null)",
		"alter domain kind_TABLE drop constraint closed; alter domain kind_TABLE add check (value <> '')",
	},
}

// crossing is a database whose tables t0, t1, … are closed to anon, each in a way of
// its own, beside messages, which is not.
type crossing struct {
	*testing.T
	db     *devdb.DB
	config Config
	server *running
	from   string // a position before the rows
}

func newCrossing(t *testing.T) *crossing {
	c := &crossing{T: t, db: appDatabase(t)}
	c.config = configFor(c.db)
	c.config.StateDir = filepath.Join(t.TempDir(), "state")
	c.server = startServer(t, c.config)
	// The tables are younger than what the slot has still to read, and are looked at when
	// the server starts again.
	c.restart(c.config.StateDir, func() {
		for i, of := range crossings {
			c.db.Exec(strings.ReplaceAll(`create table TABLE (id int primary key, body text); alter table TABLE replica identity full;
				grant select on TABLE to anon; alter publication supabase_realtime add table TABLE; `+of.closed, "TABLE", fmt.Sprint("t", i)))
		}
	})
	return c
}

// begin notes a position, and writes rows after it.
func (c *crossing) begin() {
	live := c.server.dial(c.T, "2.0.0")
	live.join("realtime:a", "id=gt.0")
	c.db.Exec("insert into messages values (1, 1, 'begin')")
	c.from = live.position()
	for i := range crossings {
		c.db.Exec(fmt.Sprintf("insert into t%d values (1, 'secret'), (2, 'secret')", i))
	}
}

// open takes the rows away, and opens the tables to anon in the same transactions.
func (c *crossing) open() {
	for i, of := range crossings {
		c.db.Exec(fmt.Sprintf("begin; delete from t%d where id = 1; update t%[1]d set body = null where id = 2; %s; commit", i, strings.ReplaceAll(of.opening, "TABLE", fmt.Sprint("t", i))))
	}
}

// bind joins with a binding to a table, from a position on if there is one.
func (c *crossing) bind(table, from string) *client {
	c.Helper()
	resume := ""
	if from != "" {
		resume = fmt.Sprintf(`,"resume":{"from":%q}`, from)
	}
	client := c.server.dial(c.T, "2.0.0")
	client.send("1", "realtime:a", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":%q%s}]}}`, table, resume))
	if reply := client.next("phx_reply"); !strings.Contains(string(reply.Payload), `"status":"ok"`) {
		c.Fatalf("join = %s; want ok", reply.Payload)
	}
	return client
}

// meet has it known what anon may see of every table.
func (c *crossing) meet() {
	for i := range crossings {
		c.bind(fmt.Sprint("t", i), "").subscribed()
	}
}

// subscribed reads until the bindings are checked.
func (c *client) subscribed() {
	for !strings.Contains(string(c.next("system").Payload), "Subscribed") {
	}
}

// came is what comes next: "row 1 secret", "row 3", "access_changed".
func (c *client) came() string {
	c.t.Helper()
	for {
		var p struct {
			Code    string
			Message string
			Data    struct {
				Record struct {
					ID   int
					Body *string
				}
				Old json.RawMessage `json:"old_record"`
			}
		}
		r := c.next("postgres_changes", "system")
		if err := json.Unmarshal(r.Payload, &p); err != nil {
			c.t.Fatal(err)
		}
		switch {
		case r.Event == "postgres_changes" && p.Data.Record.Body != nil:
			return fmt.Sprint("row ", p.Data.Record.ID, " ", *p.Data.Record.Body)
		case r.Event == "postgres_changes":
			return fmt.Sprint("row ", p.Data.Record.ID, " ", string(p.Data.Old))
		case strings.HasPrefix(p.Message, "resync_required"):
			return p.Code
		}
	}
}

// wantChanged resumes from before the change: nothing of that time comes, and what is
// written from now on does. The client is told, unless that goes by the rules of then
// because nobody has noticed the change yet.
func (c *crossing) wantChanged(when string, told bool) {
	c.Helper()
	for i, of := range crossings {
		client := c.bind(fmt.Sprint("t", i), c.from)
		if told {
			if got := client.came(); got != "access_changed" {
				c.Errorf("%s, %s: %s came; want access_changed", of.opening, when, got)
				continue
			}
		}
		c.db.Exec(fmt.Sprintf("insert into t%d values ((select max(id) + 1 from t%[1]d), 'new')", i))
		client.wantNew(of.opening + ", " + when)
	}
}

// wantNew reads up to a new row, before which nothing but resyncs comes.
func (c *client) wantNew(when string) {
	c.t.Helper()
	for got := c.came(); !strings.HasSuffix(got, " new"); got = c.came() {
		if got != "access_changed" {
			c.t.Errorf("%s: %s came; want the new row", when, got)
			return
		}
	}
}

func TestRowsThatATransactionOpensToOthersWhileItTakesThemAwayAreNotShown(t *testing.T) {
	for _, known := range []bool{false, true} {
		c := newCrossing(t)
		c.begin()
		var live []*client
		if known {
			for i := range crossings {
				live = append(live, c.bind(fmt.Sprint("t", i), ""))
				live[i].subscribed()
			}
		}
		c.open()
		c.wantChanged(fmt.Sprintf("running, known before: %t", known), !known)
		for i, client := range live {
			client.wantNew(crossings[i].opening + ", live")
		}
	}
}

// kept waits until the file says what is known of all tables, and returns a copy of the
// state directory.
func (c *crossing) kept() (at string) {
	c.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	// Beside the tables there are messages, a function and a type.
	for end := time.Now().Add(patience); c.countKept() < len(crossings)+3; <-ticker.C {
		if time.Now().After(end) {
			c.Fatal("what is known of access is not kept")
		}
	}
	at = filepath.Join(c.TempDir(), "state")
	if err := os.CopyFS(at, os.DirFS(c.config.StateDir)); err != nil {
		c.Fatal(err)
	}
	return at
}

// countKept is of how many tables, functions and types of users the file says what is
// known.
func (c *crossing) countKept() (n int) {
	text, err := os.ReadFile(c.config.stateFile("access"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var object struct {
			Kind string `json:"k"`
			OID  uint32 `json:"o"`
		}
		if json.Unmarshal([]byte(line), &object) != nil {
			return 0
		}
		if (object.Kind == "access" || object.Kind == "function" || object.Kind == "type") && object.OID >= 16384 {
			n++
		}
	}
	return n
}

// restart ends the server, and starts one with a state directory as it was at a time:
// what is written when it ends does not count then.
func (c *crossing) restart(state string, between func()) {
	c.Helper()
	if err := c.server.stop(); err != nil {
		c.Fatal(err)
	}
	between()
	c.config.StateDir = state
	c.server = startServer(c.T, c.config)
}

func TestRowsFromBeforeAChangeOfAccessAreNotShownAfterARestart(t *testing.T) {
	for _, when := range []string{"stopped, changed before", "stopped, changed meanwhile", "killed, changed before", "killed, changed meanwhile"} {
		c := newCrossing(t)
		c.meet()
		c.begin()
		state := c.kept()
		if strings.HasPrefix(when, "stopped") {
			state = c.config.StateDir
		}
		between := c.open
		if strings.HasSuffix(when, "before") {
			c.open()
			between = func() {}
		}
		c.restart(state, between)
		c.wantChanged(when, true)
	}
}

func TestNobodyHasToResyncAfterARestartWithoutAChangeOfAccess(t *testing.T) {
	for _, when := range []string{"stopped", "killed"} {
		c := newCrossing(t)
		for i, of := range crossings {
			c.db.Exec(strings.ReplaceAll(of.opening, "TABLE", fmt.Sprint("t", i)))
		}
		c.meet()
		c.begin()
		state := c.kept()
		if when == "stopped" {
			state = c.config.StateDir
		}
		c.restart(state, func() { c.db.Exec("create role " + c.db.Name + "_other; drop role " + c.db.Name + "_other") })
		for i, of := range crossings {
			client := c.bind(fmt.Sprint("t", i), c.from)
			for id := 1; id <= 2; id++ {
				if got, want := client.came(), fmt.Sprint("row ", id, " secret"); got != want {
					t.Errorf("%s, %s: %s came; want %s", of.opening, when, got, want)
				}
			}
		}
	}
}

// Rows come at once of a table that nothing has come of yet, also if it was changed
// right before somebody was subscribed to it.
func TestNobodyHasToResyncWhoIsLiveOnANewTable(t *testing.T) {
	c := newCrossing(t)
	for i, of := range crossings {
		c.db.Exec(strings.ReplaceAll(of.opening, "TABLE", fmt.Sprint("t", i)))
		client := c.bind(fmt.Sprint("t", i), "")
		client.subscribed()
		for id := range 5 {
			c.db.Exec(fmt.Sprintf("insert into t%d values (%d, 'new')", i, id))
			if got, want := client.came(), fmt.Sprint("row ", id, " new"); got != want {
				t.Errorf("%s: %s came; want %s", of.opening, got, want)
			}
		}
	}
}
