package conformance

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/migrations"
	"walcast/server"
)

const (
	// secret is the recorder's.
	secret = "super-secret-jwt-token-with-at-least-32-characters-long"
	// patience is how long anything that must happen may take: three megabytes
	// take their time with the race detector on a busy machine.
	patience = time.Minute
	// idleTimeout closes the recorded silent sockets, which waited for a minute.
	idleTimeout = 20 * time.Second
)

// stage is a server on a database where the recorded scenes can be played.
type stage struct {
	db      *devdb.DB
	addr    string
	markers *markers
	stop    func() // returns when the server has ended
}

// observers is how many sessions there are beside those of the recording.
const observers = 1

// open starts a server on a database of its own, until the test ends. settings,
// which may be nil, changes its configuration.
func open(t *testing.T, settings func(*server.Config)) *stage {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	setUp(t, db)
	c := server.DefaultConfig()
	c.Listen = "127.0.0.1:0"
	c.Replication.DatabaseURL = db.DSN
	c.Replication.Slot = db.Name
	c.Auth.Secrets = []string{secret}
	c.Channels.PresenceRate.Events = 0
	c.Gateway.BytesPerSecond = 0 // the largest messages are played faster than they were recorded
	c.Gateway.IdleTimeout, c.Gateway.PingInterval = idleTimeout, idleTimeout/4
	if settings != nil {
		settings(&c)
	}
	s, err := server.New(c, slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	opened := &stage{db: db, stop: run(t, s), addr: s.Addr()}
	opened.markers = observe(t, opened)
	return opened
}

// run runs the server until the test ends, or stop is called, and returns when it
// streams.
func run(t *testing.T, s *server.Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			t.Errorf("server ended: %v", err)
		}
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case <-ended:
		t.Fatal("server ended before it streamed")
	case <-time.After(patience):
		t.Fatalf("server does not stream after %s", patience)
	}
	return stop
}

// setUp makes what the recorder had made.
func setUp(t *testing.T, db *devdb.DB) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := migrations.Apply(t.Context(), conn, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	setup, err := os.ReadFile("../../testdata/conformance/setup.sql")
	if err != nil {
		t.Fatal(err)
	}
	db.Exec(string(setup))
}

// testLog puts the server's log into the test's.
type testLog struct{ t *testing.T }

func (w testLog) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
