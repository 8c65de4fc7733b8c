package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"walcast/internal/await"
	"walcast/internal/devdb"
	"walcast/replication"
	"walcast/replication/changelog"
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

// joinRoom joins the topic that all are on here.
func (c *client) joinRoom() *client {
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
	known, other := s.dialAs(t, "known").joinRoom(), s.dialAs(t, "other").joinRoom()
	db.Exec(`insert into messages values (1, 1, 'first row')`)
	known.goesOn("known", "first row")
	known.conn.Close()
	hearer := s.dial(t, "2.0.0").joinRoom()
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
	s.dialAs(t, "known").joinRoom().goesOn("known", "while away", "second row")
	c := s.dialAs(t, "new").joinRoom()
	db.Exec(`insert into messages values (3, 1, 'third row')`)
	c.goesOn("new", "third row")
}

// TestAServerTakesOverFromOneThatStopsLater: it is started before the first has
// stopped, and stands by. It sends clients away meanwhile.
func TestAServerTakesOverFromOneThatStopsLater(t *testing.T) {
	db := appDatabase(t)
	config := stateful(t, db)
	first := startServer(t, config)
	known := first.dialAs(t, "known").joinRoom()
	position := first.dial(t, "2.0.0")
	position.join("realtime:position", "channel_id=eq.1")
	db.Exec(`insert into messages values (1, 1, 'first row')`)
	known.goesOn("known", "first row")
	from := position.position()

	log := await.NewOutput()
	second := launchLogging(t, config, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log.Text(ctx, t, "standing by")
	if role := <-second.Roles(); role != replication.RoleStandby {
		t.Errorf("role %s; want standby", role)
	}
	second.refuses(t)
	db.Exec(`insert into messages values (2, 1, 'second row')`)
	known.goesOn("known", "second row")
	hearer := first.dial(t, "2.0.0").joinRoom()
	known.tells("said to the first")
	hearer.goesOn("hearer", "said to the first")
	late := first.dialAs(t, "late").joinRoom()
	db.Exec(`insert into messages values (3, 1, 'third row')`)
	late.goesOn("late", "third row")
	late.conn.Close()
	known.tells("said while late is away")
	hearer.goesOn("hearer", "said while late is away")
	stopped(t, first)
	db.Exec(`insert into messages values (4, 1, 'fourth row')`)
	second.await(t)
	if role := <-second.Roles(); role != replication.RoleReader {
		t.Errorf("role %s; want reader", role)
	}
	second.dialAs(t, "late").joinRoom().goesOn("late", "said while late is away", "fourth row")
	second.dialAs(t, "fresh").joinRoom()
	resumed := second.dial(t, "2.0.0")
	resumed.send("1", "realtime:a", "phx_join", fmt.Sprintf(
		`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","resume":{"from":%q}}]}}`, from))
	resumed.goesOn("by position", "second row", "third row", "fourth row")
	second.dialAs(t, "known").joinRoom().goesOn("known", "fourth row")
	stopped(t, second)
	third := startServer(t, config)
	fresh := third.dialAs(t, "fresh").joinRoom()
	db.Exec(`insert into messages values (5, 1, 'fifth row')`)
	fresh.goesOn("fresh", "fifth row")
	c := third.dialAs(t, "new").joinRoom()
	db.Exec(`insert into messages values (6, 1, 'sixth row')`)
	c.goesOn("new", "sixth row")
}

// refuses wants a standby to take nobody, over whatever he comes.
func (s *running) refuses(t *testing.T) {
	t.Helper()
	_, response, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://%s/realtime/v1/websocket?apikey=%s", s.Addr(), token(t)), nil)
	if err == nil || response == nil || response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" {
		t.Errorf("a socket is answered %v, %v; want 503", response, err)
	}
	for path, want := range map[string]int{"/realtime/v1/sse?topic=room": 503, "/readyz": 503, "/healthz": 200, "/api/presence/room": 503} {
		response, err := http.Get(fmt.Sprintf("http://%s%s", s.Addr(), path))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if strings.HasPrefix(path, "/realtime") && response.StatusCode == 401 {
			continue // the token is looked at first
		}
		if response.StatusCode != want {
			t.Errorf("GET %s is answered %s; want %d", path, response.Status, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestAServerWhoseSlotIsTakenBeginsAnewAsAStandby and knows nothing of what it was: its
// clients are the other's. It serves again when that is gone.
func TestAServerWhoseSlotIsTakenBeginsAnewAsAStandby(t *testing.T) {
	db := appDatabase(t)
	config := stateful(t, db)
	config.MetricsListen = "127.0.0.1:0"
	log := await.NewOutput()
	first := launchLogging(t, config, slog.New(slog.NewTextHandler(log, nil))).await(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	address := first.Addr()
	c := first.dialAs(t, "known").joinRoom()
	db.Exec(`insert into messages values (1, 1, 'first row')`)
	c.goesOn("known", "first row")
	other := holdSlot(t, db)
	c.isClosed(websocket.CloseServiceRestart)
	log.Text(ctx, t, "standing by from now on")
	log.Text(ctx, t, "standing by: another process has the slot")
	log.Text(ctx, t, "state of clients not saved: another server has the slot")
	if first.Addr() != address {
		t.Errorf("address %s; want %s as before", first.Addr(), address)
	}
	first.refuses(t)
	db.Exec(`insert into messages values (2, 1, 'second row')`)
	other()
	log.Text(ctx, t, "taken over: ")
	c = first.dialAs(t, "known").joinRoom()
	c.isTold("known", changelog.CodeUnknown)
	db.Exec(`insert into messages values (3, 1, 'third row')`)
	c.goesOn("known", "third row")
	if role := <-first.Roles(); role != replication.RoleReader {
		t.Errorf("role %s; want reader", role)
	}
}

// holdSlot takes the slot from the server that reads it, as a walcast elsewhere would
// that found it free for a moment, and returns what gives it back.
func holdSlot(t *testing.T, db *devdb.DB) (release func()) {
	t.Helper()
	config, err := pgconn.ParseConfig(db.DSN + "&replication=database")
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["application_name"] = "walcast/" + db.Name + "/elsewhere"
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	release = func() { conn.Close(context.WithoutCancel(t.Context())) }
	t.Cleanup(release)
	start := fmt.Sprintf(`START_REPLICATION SLOT %s LOGICAL 0/0 (proto_version '1', publication_names '"supabase_realtime"')`, db.Name)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		db.Exec(`select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid is not null`, db.Name)
		conn.Frontend().SendQuery(&pgproto3.Query{String: start})
		if err := conn.Frontend().Flush(); err != nil {
			t.Fatal(err)
		}
		for refused := false; !refused; {
			switch m, err := conn.ReceiveMessage(t.Context()); m.(type) {
			case *pgproto3.CopyBothResponse:
				return release
			case *pgproto3.ReadyForQuery:
				refused = true
			default:
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Fatal("the slot cannot be taken")
	return nil
}
