package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"walcast/internal/devdb"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(crowdVariable); spec != "" {
		playCrowd(spec)
	}
	goleak.VerifyTestMain(devdb.Main(m))
}

const (
	testSecret = "a secret of at least 32 characters, for tests"
	patience   = time.Minute // for what must happen
)

// schema is what an app has: a table that the clients may read, published.
const schema = `
	create table messages (id int primary key, channel_id int not null, body text);
	alter table messages replica identity full;
	grant select on messages to anon;
	create publication supabase_realtime for table messages;
`

// appDatabase is a database with schema.
func appDatabase(t *testing.T) *devdb.DB {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	return db
}

// running is a server that serves db until the test ends or stop is called.
type running struct {
	*Server
	stop  func() error
	ended <-chan struct{}
}

func configFor(db *devdb.DB) Config {
	c := goodConfig()
	c.Listen = "127.0.0.1:0"
	c.Replication.DatabaseURL = db.DSN
	c.Replication.Slot = db.Name
	c.Gateway.IdleTimeout, c.Gateway.WriteTimeout = unread, unread
	return c
}

// unread is how long a test's client may read nothing: longer than a busy machine lets any wait.
const unread = 10 * time.Minute

// launch starts a server without waiting until it is ready.
func launch(t *testing.T, c Config) *running {
	t.Helper()
	return launchLogging(t, c, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
}

func launchLogging(t *testing.T, c Config, logger *slog.Logger) *running {
	t.Helper()
	s, err := New(c, logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	var failure error
	go func() {
		defer close(ended)
		failure = s.Run(ctx)
	}()
	stop := func() error {
		cancel()
		<-ended
		return failure
	}
	t.Cleanup(func() { stop() })
	return &running{Server: s, stop: stop, ended: ended}
}

// startServer returns when it streams.
func startServer(t *testing.T, c Config) *running {
	t.Helper()
	return launch(t, c).await(t)
}

// await returns when the server streams.
func (s *running) await(t *testing.T) *running {
	t.Helper()
	select {
	case <-s.Ready():
	case <-s.ended:
		t.Fatalf("server ended before it was ready: %v", s.stop())
	case <-time.After(patience):
		t.Fatalf("server not ready within %s", patience)
	}
	return s
}

// testWriter puts the log into the test's.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func token(t testing.TB) string {
	t.Helper()
	claims := jwt.MapClaims{"role": "anon", "exp": time.Now().Add(time.Hour).Unix()}
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// client speaks one version of the protocol.
type client struct {
	t    *testing.T
	conn *websocket.Conn
	vsn  string
}

func (s *running) dial(t *testing.T, vsn string) *client {
	t.Helper()
	url := "ws://" + s.Addr() + "/realtime/v1/websocket?vsn=" + vsn + "&apikey=" + token(t)
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, vsn: vsn}
}

// send pushes an event on a topic that was or will be joined with ref 1.
func (c *client) send(ref, topic, event, payload string) {
	c.t.Helper()
	text := fmt.Sprintf(`["1",%q,%q,%q,%s]`, ref, topic, event, payload)
	if c.vsn == "1.0.0" {
		text = fmt.Sprintf(`{"join_ref":"1","ref":%q,"topic":%q,"event":%q,"payload":%s}`, ref, topic, event, payload)
	}
	if err := c.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// received is a frame of either version.
type received struct {
	Topic, Event string
	Payload      json.RawMessage
}

// next reads until a frame with the event.
func (c *client) next(events ...string) received {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for %v: %v", events, err)
		}
		var r received
		if c.vsn == "1.0.0" {
			err = json.Unmarshal(text, &r)
		} else {
			err = json.Unmarshal(text, &[]any{new(any), new(any), &r.Topic, &r.Event, &r.Payload})
		}
		if err != nil {
			c.t.Fatalf("read %s: %v", text, err)
		}
		if slices.Contains(events, r.Event) {
			return r
		}
	}
}

// join subscribes to the messages that meet filter and returns when they arrive.
func (c *client) join(topic, filter string) {
	c.t.Helper()
	c.send("1", topic, "phx_join", fmt.Sprintf(
		`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","filter":%q}]}}`, filter))
	if reply := c.next("phx_reply"); !strings.Contains(string(reply.Payload), `"status":"ok"`) {
		c.t.Fatalf("join = %s, want ok", reply.Payload)
	}
	if system := c.next("system"); !strings.Contains(string(system.Payload), "Subscribed to PostgreSQL") {
		c.t.Fatalf("system = %s, want that it is subscribed", system.Payload)
	}
}

// change waits for a row change and writes it shortly: "INSERT 1 a".
func (c *client) change() string {
	c.t.Helper()
	var p struct {
		Data struct {
			Type   string
			Record struct {
				ID   int
				Body string
			}
			Old struct{ ID int } `json:"old_record"`
		}
	}
	if err := json.Unmarshal(c.next("postgres_changes").Payload, &p); err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s", p.Data.Type, max(p.Data.Record.ID, p.Data.Old.ID), p.Data.Record.Body))
}

func (c *client) wantChanges(want ...string) {
	c.t.Helper()
	var got []string
	for range want {
		got = append(got, c.change())
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("changes = %q, want %q", got, want)
	}
}

func TestRowChangesReachThoseWhoseFilterMatches(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	for _, vsn := range []string{"1.0.0", "2.0.0"} {
		t.Run("vsn "+vsn, func(t *testing.T) {
			db.Exec("truncate messages")
			c, all := s.dial(t, vsn), s.dial(t, vsn)
			c.join("realtime:room", "channel_id=eq.42")
			all.join("realtime:room", "id=gt.0")
			db.Exec(`insert into messages values (1, 42, 'a'), (2, 7, 'b'), (3, 42, 'c')`)
			db.Exec(`update messages set body = 'd' where id = 1`)
			db.Exec(`delete from messages where id = 3`)
			c.wantChanges("INSERT 1 a", "INSERT 3 c", "UPDATE 1 d", "DELETE 3")
			all.wantChanges("INSERT 1 a", "INSERT 2 b", "INSERT 3 c", "UPDATE 1 d", "DELETE 3")
		})
	}
}

func TestStopDrainsTellsAndLeavesTheSlotToTheNext(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := s.dial(t, "2.0.0")
	c.join("realtime:room", "channel_id=eq.42")
	db.Exec(`insert into messages values (1, 42, 'a')`)
	c.wantChanges("INSERT 1 a")

	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	_, _, err := c.conn.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 1012 {
		t.Errorf("closed with %v, want 1012", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	db.Exec(`insert into messages values (2, 42, 'b')`) // while nobody is there

	next := startServer(t, configFor(db))
	c = next.dial(t, "2.0.0")
	c.join("realtime:room", "channel_id=eq.42")
	db.Exec(`insert into messages values (3, 42, 'c')`)
	c.wantChanges("INSERT 3 c")
}

func TestHealthAndMetricsOnTwoListeners(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.MetricsListen = "127.0.0.1:0"
	s := startServer(t, config)
	for _, test := range []struct {
		addr, path string
		status     int
		contains   string
	}{
		{s.Addr(), "/healthz", 200, "ok"},
		{s.Addr(), "/readyz", 200, `"streaming":true`},
		{s.Addr(), "/metrics", 404, ""},
		{s.metrics.Addr().String(), "/metrics", 200, "walcast_gateway_sessions 0"},
		{s.metrics.Addr().String(), "/metrics", 200, "go_goroutines"},
	} {
		resp, err := http.Get("http://" + test.addr + test.path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || !strings.Contains(string(body), test.contains) {
			t.Errorf("GET %s = %d %.200s, %v; want %d with %q", test.path, resp.StatusCode, body, err, test.status, test.contains)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRunEndsWithOneSentenceWhenPostgresIsNotThere(t *testing.T) {
	c := goodConfig()
	c.Listen = "127.0.0.1:0"
	c.Replication.DatabaseURL = "postgres://walcast:hunter2@127.0.0.1:1/app"
	c.StartTimeout = 100 * time.Millisecond
	s := launch(t, c)
	<-s.ended
	err := s.stop()
	if err == nil || !strings.HasPrefix(err.Error(), "connect to Postgres at 127.0.0.1:1: not reachable within 100ms") ||
		strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Run = %v; want one sentence that says where, without the password", err)
	}
}

func TestRunEndsWithTheReadersSentence(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"wal_level": "replica"}})
	s := launch(t, configFor(db))
	<-s.ended
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "wal_level") {
		t.Errorf("Run = %v; want an error that names wal_level", err)
	}
}

func TestServesWhileItWaitsForPostgres(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	db.StopServer()
	s := launch(t, configFor(db))
	resp, err := http.Get("http://" + s.Addr() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("GET /readyz = %d, want 503", resp.StatusCode)
	}
	db.StartServer()
	select {
	case <-s.Ready():
	case <-s.ended:
		t.Fatalf("Run = %v, want it to wait", s.stop())
	case <-time.After(patience):
		t.Fatalf("not ready within %s", patience)
	}
	c := s.dial(t, "2.0.0")
	c.join("realtime:room", "channel_id=eq.42")
	db.Exec(`insert into messages values (1, 42, 'a')`)
	c.wantChanges("INSERT 1 a")
}

func TestNewListensOnceOnly(t *testing.T) {
	c := goodConfig()
	c.Listen = "127.0.0.1:0"
	s, err := New(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.Listen = s.Addr()
	if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), "listen: ") {
		t.Errorf("New on a port in use = %v; want an error that names listen", err)
	}
}
