package view

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/server"
)

const (
	secret   = "a secret of at least 32 characters, for tests"
	patience = time.Minute // for what must happen
)

// stage is a server on a database of its own.
type stage struct {
	t    *testing.T
	db   *devdb.DB
	addr string
}

// open makes a database by statements, publishes all its tables, and starts a server.
// settings, which may be nil, changes its configuration.
func open(t *testing.T, statements string, settings func(*server.Config)) *stage {
	t.Helper()
	return openOn(t, devdb.Open(t), statements, settings)
}

// openOn is open on a database that is there.
func openOn(t *testing.T, db *devdb.DB, statements string, settings func(*server.Config)) *stage {
	t.Helper()
	devdb.SupabaseRoles(db)
	db.Exec(statements)
	if !strings.Contains(statements, "create publication") {
		db.Exec("create publication supabase_realtime for all tables")
	}
	c := server.DefaultConfig()
	c.Listen = "127.0.0.1:0"
	c.Replication.DatabaseURL = db.DSN
	c.Replication.Slot = db.Name
	c.Auth.Secrets = []string{secret}
	c.Gateway.IdleTimeout, c.Gateway.WriteTimeout = unread, unread
	if settings != nil {
		settings(&c)
	}
	s, err := server.New(c, slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	return &stage{t: t, db: db, addr: s.Addr()}
}

// unread is how long a client may read nothing: longer than a busy machine lets any wait.
const unread = 10 * time.Minute

// run runs the server until the test ends, and returns when it streams.
func run(t *testing.T, s *server.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			t.Errorf("server ended: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	select {
	case <-s.Ready():
	case <-ended:
		t.Fatal("server ended before it streamed")
	case <-time.After(patience):
		t.Fatalf("server does not stream after %s", patience)
	}
}

// testLog puts the server's log into the test's.
type testLog struct{ t *testing.T }

func (w testLog) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// subject is who a client acts as.
type subject struct {
	role   string
	claims map[string]any // beside the role
}

// token is a token of the subject.
func (s subject) token(t *testing.T) string {
	t.Helper()
	claims := jwt.MapClaims{"role": s.role, "exp": int64(4102444800)}
	for name, value := range s.claims {
		claims[name] = value
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// text is the subject's claims as Postgres has them.
func (s subject) text() string {
	text := fmt.Sprintf(`{"role":%q,"exp":4102444800`, s.role)
	for name, value := range s.claims {
		text += fmt.Sprintf(`,%q:%q`, name, fmt.Sprint(value))
	}
	return text + "}"
}

// session is a connection to Postgres whose statements the test orders.
type session struct {
	t    *testing.T
	conn *pgx.Conn
}

// connect opens a session.
func (s *stage) connect() *session {
	s.t.Helper()
	conn, err := pgx.Connect(context.Background(), s.db.DSN)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close(context.Background()) })
	return &session{s.t, conn}
}

// exec runs statements. Errors fail the test.
func (p *session) exec(sql string) {
	p.t.Helper()
	if err := p.try(sql); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// try runs statements, which may fail.
func (p *session) try(sql string) error {
	_, err := p.conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// selects are the rows, as JSON, that a subject selects from a table.
func (p *session) selects(by subject, table, where string) []string {
	p.t.Helper()
	ctx := context.Background()
	tx, err := p.conn.Begin(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `select set_config('request.jwt.claims', $1, true)`, by.text()); err != nil {
		p.t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "set local role "+by.role); err != nil {
		p.t.Fatal(err)
	}
	rows, err := tx.Query(ctx, fmt.Sprintf("select to_jsonb(present)::text from %s present where %s", table, where))
	if err != nil {
		p.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		p.t.Fatalf("select from %s where %s as %+v: %v", table, where, by, err)
	}
	return all
}

// dial opens a socket.
func (s *stage) dial(by subject) *websocket.Conn {
	s.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/realtime/v1/websocket?vsn=2.0.0&apikey="+by.token(s.t), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}
