package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// resyncs are the ways to lose changes. Each does what an operator or an
// accident does, and the code is what every subscriber of row changes is told.
var resyncs = []struct {
	name     string
	settings map[string]string
	blow     func(t *testing.T, db *devdb.DB)
	code     string
}{
	{"slot dropped", nil, dropSlot, changelog.CodeSlotMissing},
	{
		"slot lost",
		map[string]string{"max_slot_wal_keep_size": "1MB", "wal_keep_size": "0", "min_wal_size": "32MB", "max_wal_size": "32MB"},
		loseSlot, changelog.CodeSlotLost,
	},
	{"slot read by somebody else", nil, readSlot, changelog.CodeSlotAdvanced},
	{"publication dropped", nil, dropPublication, changelog.CodePublication},
	{"backup restored", nil, restoreBackup, changelog.CodeDiverged},
	{"another cluster", nil, replaceCluster, changelog.CodeOtherCluster},
}

// resync is the system event that tells of one.
type resync struct {
	Message, Status, Extension, Code string
	From                             *string
	Oldest, Position, History        string
}

func (c *client) resync() resync {
	c.t.Helper()
	for {
		var r resync
		if err := json.Unmarshal(c.next("system").Payload, &r); err != nil {
			c.t.Fatal(err)
		}
		if strings.HasPrefix(r.Message, "resync_required: ") {
			return r
		}
	}
}

// TestSubscribersAreToldWhyChangesAreLost: once, with the code, and what comes
// after it is delivered.
func TestSubscribersAreToldWhyChangesAreLost(t *testing.T) {
	for _, c := range resyncs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := devdb.OpenServer(t, devdb.Options{Settings: c.settings})
			devdb.SupabaseRoles(db)
			db.Exec(schema)
			db.Exec(`create role reader login replication; grant anon, authenticated, service_role to reader`)
			config := configFor(db)
			u, err := url.Parse(db.DSN)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.User("reader")
			config.Replication.DatabaseURL = u.String()
			s := startServer(t, config)
			one, two := s.dial(t, "2.0.0"), s.dial(t, "1.0.0")
			for _, client := range []*client{one, two} {
				client.join("realtime:a", "channel_id=eq.1")
			}
			db.Exec(`insert into messages values (1, 1, 'before')`)
			one.wantChanges("INSERT 1 before")
			two.wantChanges("INSERT 1 before")
			c.blow(t, db)
			for _, client := range []*client{one, two} {
				r := client.resync()
				if r.Code != c.code || r.Status != "ok" || r.Extension != "postgres_changes" || r.From == nil || r.Position == "" || r.History != "" {
					t.Errorf("told %+v; want code %s, and nothing that was not asked for", r, c.code)
				}
			}
			db.Exec(`insert into messages values (1000001, 1, 'after')`)
			for _, client := range []*client{one, two} {
				client.wantOnly("INSERT 1000001 after")
			}
		})
	}
}

// wantOnly waits for a change and takes no resync before it.
func (c *client) wantOnly(change string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		_, text, err := c.conn.ReadMessage()
		switch {
		case err != nil:
			c.t.Fatalf("waiting for %s: %v", change, err)
		case strings.Contains(string(text), "resync_required"):
			c.t.Fatalf("told again: %s", text)
		case strings.Contains(string(text), `"after"`):
			return
		}
	}
}

// untilDone runs statements against a reader that comes back at once, until
// they are faster.
func untilDone(statements string) string {
	return `do $$ begin
		loop
			begin
				` + statements + `
				return;
			exception when object_in_use then null;
			end;
		end loop;
	end $$`
}

func dropSlot(t *testing.T, db *devdb.DB) {
	db.Exec(untilDone(fmt.Sprintf(`perform pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = '%[1]s';
		perform pg_drop_replication_slot('%[1]s');`, db.Name)))
}

func loseSlot(t *testing.T, db *devdb.DB) {
	var made, now string
	query := func(into *string) {
		t.Helper()
		err := db.Pool.QueryRow(t.Context(), `select coalesce(max(restart_lsn::text), 'lost') from pg_replication_slots where slot_name = $1`, db.Name).Scan(into)
		if err != nil {
			t.Fatal(err)
		}
	}
	query(&made)
	for now = made; now == made; query(&now) {
		db.Exec(`create table noise as select repeat('x', 1000) from generate_series(1, 20000); drop table noise; select pg_switch_wal()`)
		db.Exec(`checkpoint`)
	}
}

func readSlot(t *testing.T, db *devdb.DB) {
	db.Exec(`alter role reader noreplication`)
	db.Exec(`select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = $1`, db.Name)
	db.Exec(`insert into messages values (2, 1, 'read by somebody else')`)
	db.Exec(untilDone(fmt.Sprintf(`perform pg_replication_slot_advance('%s', pg_current_wal_flush_lsn());`, db.Name)))
	db.Exec(`alter role reader replication`)
}

func dropPublication(t *testing.T, db *devdb.DB) {
	db.Exec(`drop publication supabase_realtime`)
	db.Exec(`insert into messages values (2, 1, 'lost')`)
	db.Exec(`create publication supabase_realtime for table messages`)
}

// restoreBackup puts the server back to a state that lacks a delivered row.
func restoreBackup(t *testing.T, db *devdb.DB) {
	backup := filepath.Join(db.Server.Dir, "backup")
	db.StopServer()
	devdb.CopyData(t, db.Server.Data, backup)
	db.StartServer()
	db.Exec(`insert into messages select n, 2, repeat('lost', 100) from generate_series(2, 1000) n`)
	var end string
	if err := db.Pool.QueryRow(t.Context(), `select pg_current_wal_flush_lsn()::text`).Scan(&end); err != nil {
		t.Fatal(err)
	}
	for read := false; !read; { // until the reader has read what will be lost
		err := db.Pool.QueryRow(t.Context(), `select exists (select from pg_stat_replication where usename = 'reader' and sent_lsn >= $1::pg_lsn)`, end).Scan(&read)
		if err != nil {
			t.Fatal(err)
		}
	}
	db.StopServer()
	replaceData(t, db, backup)
	db.StartServer()
}

// replaceCluster puts another cluster in the server's place.
func replaceCluster(t *testing.T, db *devdb.DB) {
	other := devdb.OpenServer(t, devdb.Options{})
	devdb.SupabaseRoles(other)
	other.Exec(`create role reader login replication; grant anon, authenticated, service_role to reader`)
	other.Exec(`create database ` + db.Name)
	other.StopServer()
	db.StopServer()
	replaceData(t, db, other.Server.Data)
	db.StartServer()
	db.Exec(schema)
}

func replaceData(t *testing.T, db *devdb.DB, with string) {
	t.Helper()
	if err := os.RemoveAll(db.Server.Data); err != nil {
		t.Fatal(err)
	}
	devdb.CopyData(t, with, db.Server.Data)
}
