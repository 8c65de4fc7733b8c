package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"walcast/internal/devdb"
)

// TestWhoMayWriteLogicalMessagesIsLookedAt grants and revokes, and follows the SQL
// that the log gives.
func TestWhoMayWriteLogicalMessagesIsLookedAt(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	var log bytes.Buffer
	w := &writers{pool: db.Pool, roles: []string{"service_role"}, logger: slog.New(slog.NewJSONHandler(&log, nil))}
	look := func(when string, want bool) {
		t.Helper()
		w.look(t.Context())
		if got := w.mayBePrivate(); got != want {
			t.Errorf("%s: private = %v, want %v; log %s", when, got, want, &log)
		}
	}
	// follow runs the SQL of the log's last line.
	follow := func() {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		var entry struct{ Remedy string }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &entry); err != nil || entry.Remedy == "" {
			t.Fatalf("log %s, %v; want a remedy", &log, err)
		}
		db.Exec(entry.Remedy)
	}
	look("everybody may, by default", false)
	follow()
	look("nobody may", true)
	db.Exec(`grant execute on function pg_logical_emit_message(boolean, text, bytea` + fourth(t, db) + `) to service_role`)
	look("the role of the setting may", true)
	db.Exec(`grant execute on function pg_logical_emit_message(boolean, text, text` + fourth(t, db) + `) to anon, authenticated`)
	look("others may", false)
	follow()
	look("no others may", true)
	w.roles = nil
	w.trusted.Store(false)
	look("without the setting", false)
}

// fourth is the parameter that newer servers have more.
func fourth(t *testing.T, db *devdb.DB) string {
	t.Helper()
	var version int
	if err := db.Pool.QueryRow(t.Context(), `select current_setting('server_version_num')::int`).Scan(&version); err != nil {
		t.Fatal(err)
	}
	if version >= 170000 {
		return ", boolean"
	}
	return ""
}

// TestAPrivateTopicHearsLogicalMessagesOfTrustedWritersOnly sends one to a server
// that trusts no role, and to one that trusts the only role that Postgres lets
// write it.
func TestAPrivateTopicHearsLogicalMessagesOfTrustedWritersOnly(t *testing.T) {
	for _, trusts := range []bool{false, true} {
		db := appDatabase(t)
		config := configFor(db)
		config.Migrate = true
		if trusts {
			config.LogicalMessageRoles = []string{"service_role"}
			db.Exec(`revoke execute on function pg_logical_emit_message(boolean, text, text` + fourth(t, db) + `),
				pg_logical_emit_message(boolean, text, bytea` + fourth(t, db) + `) from public`)
		}
		s := startServer(t, config)
		db.Exec(`create policy everybody on realtime.messages for select to anon using (true)`)
		c := s.dial(t, "1.0.0")
		c.send("1", "realtime:secret", "phx_join", `{"config":{"private":true}}`)
		c.next("phx_reply")
		db.Exec(`select pg_logical_emit_message(true, 'walcast.broadcast', '{"topic":"secret","event":"forged","payload":{}}')`)
		db.Exec(`select realtime.send('{"n":1}', 'sent', 'secret', true)`)
		want := "sent"
		if trusts {
			want = "forged"
		}
		if got := string(c.next("broadcast").Payload); !strings.Contains(got, `"event":"`+want+`"`) {
			t.Errorf("with trust %v the first broadcast is %s; want %q", trusts, got, want)
		}
		if !trusts {
			s.wantSample(t, `walcast_channels_sql_messages_total{result="refused"}`, 1)
		}
	}
}
