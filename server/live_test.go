package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// everything is the binding of a client that wants whole transactions.
const everything = `{"event":"*","schema":"public","table":"messages","transactions":true}`

// event is what a client that wants whole transactions is told, in short: "INSERT 1",
// "END", "PROGRESS 7", "REPLY ok".
type event struct {
	line     string
	xid      uint32
	position string
	snapshot string // of PROGRESS
	reason   string // of REPLY
}

// joinWith joins a topic with bindings and returns when they are armed.
func (c *client) joinWith(topic, bindings string) {
	c.t.Helper()
	c.send("1", topic, "phx_join", `{"config":{"postgres_changes":[`+bindings+`]}}`)
	if reply := c.next("phx_reply"); !strings.Contains(string(reply.Payload), `"status":"ok"`) {
		c.t.Fatalf("join = %s, want ok", reply.Payload)
	}
	for !strings.Contains(string(c.next("system").Payload), "Subscribed to PostgreSQL") {
	}
}

// event reads the next event of a transaction or of progress; others are skipped.
func (c *client) event() (e event) {
	c.t.Helper()
	r := c.next("postgres_changes", "postgres_commit", "progress", "phx_reply")
	var p struct {
		Data struct {
			Type   string
			LSN    string
			Seq    int
			XID    uint32
			Record struct{ ID int }
			Old    struct{ ID int } `json:"old_record"`
		}
		XID                uint32
		Position, Snapshot string
		Request            json.RawMessage
		Status             string
		Response           struct{ Reason string }
	}
	if err := json.Unmarshal(r.Payload, &p); err != nil {
		c.t.Fatalf("read %s: %v", r.Payload, err)
	}
	switch r.Event {
	case "postgres_changes":
		e.line, e.xid, e.position = fmt.Sprint(p.Data.Type, " ", max(p.Data.Record.ID, p.Data.Old.ID)), p.Data.XID, fmt.Sprint(p.Data.LSN, ":", p.Data.Seq)
	case "postgres_commit":
		e.line, e.xid, e.position = "END", p.XID, p.Position
	case "progress":
		e.line, e.position, e.snapshot = "PROGRESS "+strings.Trim(string(p.Request), `"`), p.Position, p.Snapshot
	default:
		e.line, e.reason = "REPLY "+p.Status, p.Response.Reason
	}
	return e
}

// wantEvents reads as many events as there are lines, which they must be.
func (c *client) wantEvents(lines ...string) (all []event) {
	c.t.Helper()
	for _, want := range lines {
		e := c.event()
		if all = append(all, e); e.line != want {
			c.t.Fatalf("event %d is %q (%s); want %q of %q", len(all), e.line, e.reason, want, lines)
		}
	}
	return all
}

// ask pushes progress. The reply is among the events that follow.
func (c *client) ask(topic, ref, payload string) {
	c.t.Helper()
	c.send(ref, topic, "progress", payload)
}

// awaitProgress reads until the answer to the question, and returns what came.
func (c *client) awaitProgress(ref string) (before []event, answer event) {
	c.t.Helper()
	for {
		e := c.event()
		if e.line == "PROGRESS "+ref {
			return before, e
		}
		before = append(before, e)
	}
}

// transaction runs statements as one transaction and returns its id, as Postgres
// has it within.
func transaction(t *testing.T, db *devdb.DB, statements ...string) (xid uint32) {
	t.Helper()
	tx, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := tx.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := tx.QueryRow(t.Context(), `select pg_current_xact_id()::xid::text::bigint`).Scan(&xid); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return xid
}

// within fails the test if more time has passed. A busy machine may be slow, so
// that it is generous.
func within(t *testing.T, what string, since time.Time, limit time.Duration) {
	t.Helper()
	if took := time.Since(since); took > limit {
		t.Errorf("%s took %s; want at most %s", what, took, limit)
	}
}
