package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"walcast/examples/todos"
	"walcast/internal/devdb"
	"walcast/server"
)

type devCmd struct {
	Listen       string `default:"127.0.0.1:4000" placeholder:"ADDRESS" help:"Address for clients, host:port. Port 0 picks a free one."`
	DataDir      string `placeholder:"PATH" help:"Keep database and JWT secret here between runs; without it both are gone afterwards."`
	PostgresBin  string `placeholder:"PATH" help:"Folder with postgres and initdb; without it the newest on the machine is used."`
	PostgresPort int    `default:"0" help:"Port of the private Postgres on 127.0.0.1; 0 picks a free one."`
	Demo         bool   `help:"Also insert a row every second, subscribe, and print what arrives."`

	outputSettings `group:"Output"`
}

// keyLife is how long dev's anon and service keys are good: longer than any
// trial.
const keyLife = 10 * 365 * 24 * time.Hour

// Run starts Postgres, prepares the demo, serves it until ctx is done, and
// stops both.
func (c *devCmd) Run(ctx context.Context, term terminal) (err error) {
	logger, _ := c.logger(term)
	key, err := c.secret()
	if err != nil {
		return err
	}
	// The database outlives ctx: the server drains with it still there.
	db, err := devdb.Start(context.WithoutCancel(ctx), c.databaseOptions())
	if err != nil {
		return fmt.Errorf("start a private Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, db.Stop()) }()
	if err := createDemo(ctx, db.DSN("postgres")); err != nil {
		return quiet(ctx, err)
	}
	return c.serve(ctx, db, key, term, logger)
}

// serve serves the demo database and prints the banner when it streams.
func (c *devCmd) serve(ctx context.Context, db *devdb.Server, key string, term terminal, logger *slog.Logger) error {
	keys, err := newDevKeys(key)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, db.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect the page to the private Postgres: %w", err)
	}
	defer pool.Close()
	config := server.DefaultConfig()
	config.Page = todos.Page(keys.anon, insertWith(pool))
	config.Listen = c.Listen
	config.Migrate = true // private channels and messages from SQL can be tried too
	config.Replication.DatabaseURL = db.DSN("postgres")
	config.StateDir = c.DataDir
	config.Auth.Secrets = []string{key}
	s, err := server.New(config, logger)
	if err != nil {
		return named(err)
	}
	b := banner{
		URL: "http://" + reachable(s.Addr()), AnonKey: keys.anon, ServiceKey: keys.service, JWTSecret: key,
		Database: db.DSN("postgres"), DataDir: c.DataDir,
	}
	group, ctx := errgroup.WithContext(ctx)
	streaming := make(chan struct{})
	run := running{server: s, stopLimit: config.Gateway.DrainTimeout + afterDrain, logger: logger}
	group.Go(func() error { return run.serve(ctx, func() { close(streaming) }) })
	group.Go(func() error {
		select {
		case <-streaming:
		case <-ctx.Done():
			return nil
		}
		if err := b.print(term.out); err != nil || !c.Demo {
			return err
		}
		return runDemo(ctx, demo{url: b.URL, key: b.AnonKey, database: db.DSN("postgres"), out: term.out})
	})
	return group.Wait()
}

func (c *devCmd) databaseOptions() devdb.Options {
	// The password stands in a command line to copy: 128 bits are enough.
	o := devdb.Options{
		BinDir: c.PostgresBin, TCP: true, Port: c.PostgresPort, Password: randomSecret()[:32],
		Settings: map[string]string{"max_slot_wal_keep_size": "1GB"}, // a trial fills nobody's disk
	}
	if c.DataDir != "" {
		o.DataDir = filepath.Join(c.DataDir, "postgres")
	}
	return o
}

// secret is a new JWT secret, or the one that DataDir keeps.
func (c *devCmd) secret() (string, error) {
	if c.DataDir == "" {
		return randomSecret(), nil
	}
	path := filepath.Join(c.DataDir, "jwt-secret")
	text, err := os.ReadFile(path)
	if key := strings.TrimSpace(string(text)); err == nil && key != "" {
		return key, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", wrong("data-dir", "%v", err)
	}
	// Postgres may run as another user and passes through this folder.
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return "", wrong("data-dir", "%v", err)
	}
	key := randomSecret()
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		return "", wrong("data-dir", "%v", err)
	}
	return key, nil
}

// randomSecret has 256 bits, in letters that need no quoting anywhere.
func randomSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// devKeys are tokens for a page and for its server.
type devKeys struct{ anon, service string }

func newDevKeys(secret string) (k devKeys, err error) {
	now := time.Now()
	for role, to := range map[string]*string{"anon": &k.anon, "service_role": &k.service} {
		*to, err = mint(secret, map[string]any{"role": role, "iss": "walcast", "iat": now.Unix(), "exp": now.Add(keyLife).Unix()})
		if err != nil {
			return k, err
		}
	}
	return k, nil
}

// insertWith writes what the page has somebody say, as the server of an app does.
func insertWith(pool *pgxpool.Pool) func(context.Context, todos.Message) (xid string, err error) {
	return func(ctx context.Context, m todos.Message) (xid string, err error) {
		err = pool.QueryRow(ctx, `with message as (insert into messages (ref, channel_id, author, body) values ($1, $2, $3, $4))
			select pg_current_xact_id()::text`, m.Ref, m.Channel, m.Author, m.Body).Scan(&xid)
		return xid, err
	}
}

// reachable is an address that a client on this machine can use: one that
// listens everywhere is reached on 127.0.0.1.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
