package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/conninfo"
	"walcast/replication"
)

// retryInterval is how often a database that is not there yet is tried.
const retryInterval = 500 * time.Millisecond

// attemptTimeout bounds one try: an address that swallows packets would
// otherwise use up the whole StartTimeout.
const attemptTimeout = 5 * time.Second

// newPool is a pool of connections. It does not connect yet.
func newPool(ctx context.Context, c Config, size int, more ...func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := conninfo.Parse(c.Replication.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("database-url: %w", err)
	}
	config.MaxConns = int32(size)
	for _, set := range more {
		set(config)
	}
	if _, ok := config.ConnConfig.RuntimeParams["application_name"]; !ok {
		config.ConnConfig.RuntimeParams["application_name"] = "walcast"
	}
	conninfo.PinPath(&config.ConnConfig.Config)
	pinned := config.ConnConfig.AfterConnect
	config.ConnConfig.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := pinned(ctx, conn); err != nil {
			return err
		}
		return pinSettings(ctx, conn)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open pool of connections to Postgres: %w", err)
	}
	return pool, nil
}

// openPool is newPool that has connected. An error says why it cannot, in a sentence.
func openPool(ctx context.Context, c Config, size int) (*pgxpool.Pool, error) {
	pool, err := newPool(ctx, c, size)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, replication.Explain(err, &pool.Config().ConnConfig.Config)
	}
	return pool, nil
}

// pools are the connections of a project.
type pools struct {
	pool *pgxpool.Pool
	rows *pgxpool.Pool // over which snapshots are read
}

func newPools(ctx context.Context, c Config) (p pools, err error) {
	if p.pool, err = newPool(ctx, c, c.PoolSize); err != nil {
		return pools{}, err
	}
	if p.rows, err = newSnapshotPool(ctx, c); err != nil {
		p.pool.Close()
		return pools{}, err
	}
	return p, nil
}

// close gives the connections back.
func (p *pools) close() {
	p.rows.Close()
	p.pool.Close()
}

// newSnapshotPool is the pool for snapshots. What they leave behind in a session is
// discarded, statements included. They are rare, so that connections do not stay.
func newSnapshotPool(ctx context.Context, c Config) (*pgxpool.Pool, error) {
	return newPool(ctx, c, c.Channels.SnapshotConnections, func(config *pgxpool.Config) {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
		config.MaxConnIdleTime = time.Minute
	})
}

// pinSettings has a session work as walcast expects, whatever is set for the role or the
// database. It is done here, as poolers refuse a connection that asks for it at its start.
//
// Postgres compiles nothing: what walcast reads of the catalog is a few rows, for which
// the planner expects very many, and compiling the statement takes seconds where a
// processor is busy, running it a millisecond. And it filters by policies: with
// row_security off it refuses what they would filter, as if a right were missing.
func pinSettings(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Exec(ctx, "set jit = off; set row_security = on").ReadAll()
	return err
}

// awaitDatabase returns when Postgres answers, be it with an error, which the
// reader explains better. It gives up after limit.
func awaitDatabase(ctx context.Context, pool *pgxpool.Pool, limit time.Duration, logger *slog.Logger) error {
	giveUp := time.Now().Add(limit)
	for first := true; ; first = false {
		err := reach(ctx, pool)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if !time.Now().Add(retryInterval).Before(giveUp) {
			c := pool.Config().ConnConfig
			return fmt.Errorf("connect to Postgres at %s:%d: not reachable within %s (%s)", c.Host, c.Port, limit, oneLine(err))
		}
		if first {
			logger.Warn("postgres not reachable yet", "err", oneLine(err), "give_up_in", limit)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryInterval):
		}
	}
}

// reach reports whether something that speaks Postgres and is up answers.
func reach(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	err := pool.Ping(ctx)
	var answer *pgconn.PgError
	if errors.As(err, &answer) && !comingUp(answer) || noTLS(err) {
		return nil
	}
	return err
}

// comingUp is cannot_connect_now: starting up, shutting down, in recovery.
func comingUp(e *pgconn.PgError) bool { return e.Code == "57P03" }

// noTLS reports whether there is a server, and it speaks no TLS or not the right one.
func noTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate) || err != nil && strings.Contains(err.Error(), "server refused TLS connection")
}

// oneLine flattens pgx's list of addresses tried.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
