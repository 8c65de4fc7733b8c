package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"walcast/replication/changelog"
)

// resumeAt joins with a position and returns the resync that it is told.
func (c *client) resumeAt(position string) resync {
	c.t.Helper()
	c.send("1", "realtime:a", "phx_join", fmt.Sprintf(
		`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","resume":{"from":%q}}]}}`, position))
	if reply := c.next("phx_reply"); !strings.Contains(string(reply.Payload), `"status":"ok"`) {
		c.t.Fatalf("join = %s; want ok", reply.Payload)
	}
	return c.resync()
}

// position is that of the next change.
func (c *client) position() string {
	c.t.Helper()
	var p struct {
		Data struct {
			LSN string
			Seq int
		}
	}
	if err := json.Unmarshal(c.next("postgres_changes").Payload, &p); err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprintf("%s:%d", p.Data.LSN, p.Data.Seq)
}

// TestPositionsThatCannotBeResumedFromAreToldWhy has a log that keeps next to
// nothing, and a slot that was dropped while walcast was stopped.
func TestPositionsThatCannotBeResumedFromAreToldWhy(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.Log = changelog.Config{Bytes: 1 << 20, Window: 0}
	config.Channels.ResumeWait = 500 * time.Millisecond // for positions that are yet to come
	s := startServer(t, config)
	first := s.dial(t, "2.0.0")
	first.join("realtime:b", "channel_id=eq.1")
	db.Exec(`insert into messages values (1, 1, 'a')`)
	old := first.position()
	db.Exec(`insert into messages select n, 2, repeat('x', 1000) from generate_series(2, 3000) n`)
	db.Exec(`insert into messages values (3001, 1, 'z')`)
	first.position()
	wantCode := func(name, position, code string) {
		t.Helper()
		r := s.dial(t, "2.0.0").resumeAt(position)
		if r.Code != code || r.Position == "" {
			t.Errorf("%s, from %s: told %+v; want code %s", name, position, r, code)
		}
	}
	wantCode("left the log", old, changelog.CodeTooOld)
	wantCode("no position", "yesterday", changelog.CodeUnknown)
	wantCode("of another server, that wrote more", "FFFF/0:0", changelog.CodeUnknown)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	db.Exec(`select pg_drop_replication_slot($1)`, db.Name)
	s = startServer(t, config)
	wantCode("of a slot that was dropped", old, changelog.CodeSlotMissing)
}
