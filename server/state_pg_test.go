package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/await"
	"walcast/internal/devdb"
)

// dialAs connects as a client with a client_id.
func (s *running) dialAs(t *testing.T, id string) *client {
	t.Helper()
	url := fmt.Sprintf("ws://%s/realtime/v1/websocket?vsn=2.0.0&apikey=%s&client_id=%s", s.Addr(), token(t), id)
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, vsn: "2.0.0"}
}

// settle joins the topic that all are on here.
func (c *client) settle() *client {
	c.t.Helper()
	c.send("1", "realtime:room", "phx_join", `{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages"}]}}`)
	if reply := c.next("phx_reply"); !strings.Contains(string(reply.Payload), `"status":"ok"`) {
		c.t.Fatalf("join = %s; want ok", reply.Payload)
	}
	return c
}

// goesOn waits for all texts, each of a row or a broadcast, and takes no resync
// before the last of them.
func (c *client) goesOn(who string, texts ...string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for len(texts) > 0 {
		_, text, err := c.conn.ReadMessage()
		switch {
		case err != nil:
			c.t.Fatalf("%s waits for %q: %v", who, texts, err)
		case strings.Contains(string(text), "resync_required"):
			c.t.Fatalf("%s is told to resync: %s; want %q", who, text, texts)
		case strings.Contains(string(text), texts[0]):
			texts = texts[1:]
		}
	}
}

// isTold waits for a resync, and takes no row before it.
func (c *client) isTold(who, code string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		_, text, err := c.conn.ReadMessage()
		switch {
		case err != nil:
			c.t.Fatalf("%s waits for %s: %v", who, code, err)
		case strings.Contains(string(text), `"postgres_changes",{"ids"`):
			c.t.Fatalf("%s gets %s; want to be told %s first", who, text, code)
		case strings.Contains(string(text), "resync_required"):
			if !strings.Contains(string(text), `"code":"`+code+`"`) {
				c.t.Fatalf("%s is told %s; want code %s", who, text, code)
			}
			return
		}
	}
}

// isClosed waits until the server closes the connection with a code.
func (c *client) isClosed(code int) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		if _, text, err := c.conn.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, code) {
				c.t.Fatalf("connection ends with %v; want code %d", err, code)
			}
			return
		} else if strings.Contains(string(text), "resync_required") {
			c.t.Fatalf("told %s; want to be closed before", text)
		}
	}
}

func (c *client) tells(text string) {
	c.t.Helper()
	c.send("2", "realtime:room", "broadcast", fmt.Sprintf(`{"type":"broadcast","event":"e","payload":{"text":%q}}`, text))
}

func stopped(t *testing.T, s *running) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

func stateful(t *testing.T, db *devdb.DB) Config {
	t.Helper()
	config := configFor(db)
	config.StateDir = filepath.Join(t.TempDir(), "state")
	return config
}

// TestAFailedStartLeavesTheStateAsItWas: one that finds out too late, as it has read
// the state by then.
func TestAFailedStartLeavesTheStateAsItWas(t *testing.T) {
	db := appDatabase(t)
	config := stateful(t, db)
	s := startServer(t, config)
	known, other := s.dialAs(t, "known").settle(), s.dialAs(t, "other").settle()
	db.Exec(`insert into messages values (1, 1, 'first row')`)
	known.goesOn("known", "first row")
	known.conn.Close()
	hearer := s.dial(t, "2.0.0").settle()
	other.tells("while away")
	hearer.goesOn("hearer", "while away")
	stopped(t, s)

	if err := startWithBadCertificate(t, config); err == nil {
		t.Fatal("started with a bad certificate")
	}
	s = startServer(t, config)
	taken := config
	taken.Listen = s.Addr()
	if _, err := New(taken, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("started on a port that is in use")
	}
	db.Exec(`insert into messages values (2, 1, 'second row')`)
	s.dialAs(t, "known").settle().goesOn("known", "while away", "second row")
	c := s.dialAs(t, "new").settle()
	db.Exec(`insert into messages values (3, 1, 'third row')`)
	c.goesOn("new", "third row")
}

// TestAServerTakesOverFromOneThatStopsLater: it is started before the first has
// stopped, and waits for the slot. Clients may find it meanwhile.
func TestAServerTakesOverFromOneThatStopsLater(t *testing.T) {
	db := appDatabase(t)
	config := stateful(t, db)
	first := startServer(t, config)
	known, early := first.dialAs(t, "known").settle(), first.dialAs(t, "early").settle()
	position := first.dial(t, "2.0.0")
	position.join("realtime:position", "channel_id=eq.1")
	db.Exec(`insert into messages values (1, 1, 'first row')`)
	known.goesOn("known", "first row")
	early.goesOn("early", "first row")
	from := position.position()
	early.conn.Close()

	log := await.NewOutput()
	second := launchLogging(t, config, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log.Text(ctx, t, "slot is in use, waiting")
	early = second.dialAs(t, "early").settle()
	newcomer := second.dialAs(t, "newcomer").settle()
	second.dial(t, "2.0.0").settle().tells("said to the second")
	early.goesOn("early", "said to the second")
	db.Exec(`insert into messages values (2, 1, 'second row')`)
	known.goesOn("known", "second row")
	hearer := first.dial(t, "2.0.0").settle()
	known.tells("said to the first")
	hearer.goesOn("hearer", "said to the first")
	stopped(t, first)
	db.Exec(`insert into messages values (3, 1, 'third row')`)
	second.await(t)
	early.isClosed(websocket.CloseServiceRestart)
	newcomer.isClosed(websocket.CloseServiceRestart)
	second.dialAs(t, "early").settle().goesOn("early", "said to the first", "said to the second", "second row", "third row")
	second.dialAs(t, "fresh").settle()
	resumed := second.dial(t, "2.0.0")
	resumed.send("1", "realtime:a", "phx_join", fmt.Sprintf(
		`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","resume":{"from":%q}}]}}`, from))
	resumed.goesOn("by position", "second row", "third row")
	second.dialAs(t, "known").settle().goesOn("known", "said to the second", "third row")
	stopped(t, second)
	third := startServer(t, config)
	fresh := third.dialAs(t, "fresh").settle()
	db.Exec(`insert into messages values (4, 1, 'fourth row')`)
	fresh.goesOn("fresh", "fourth row")
	c := third.dialAs(t, "new").settle()
	db.Exec(`insert into messages values (5, 1, 'fifth row')`)
	c.goesOn("new", "fifth row")
}
