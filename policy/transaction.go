package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// acquire takes a connection whose plans are of this generation.
func (pg *postgres) acquire(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	conn, err := acquireFrom(ctx, pool)
	if err != nil {
		return nil, err
	}
	if err := pg.renewPlans(ctx, conn.Conn()); err != nil {
		conn.Release()
		return nil, err
	}
	return conn, nil
}

// noEncoding is the encoding of a database that takes any bytes for text. They have
// to come and go as they are, as they need not be UTF-8.
const noEncoding = "SQL_ASCII"

// acquireFrom takes a connection and makes sure that statements mean what they
// say in it. Both are the defaults of nearly every database; the server reports
// them, so looking costs nothing.
func acquireFrom(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	encoding := "UTF8"
	if conn.Conn().PgConn().ParameterStatus("server_encoding") == noEncoding {
		encoding = noEncoding
	}
	for name, want := range map[string]string{"client_encoding": encoding, "standard_conforming_strings": "on"} {
		if conn.Conn().PgConn().ParameterStatus(name) == want {
			continue
		}
		if _, err := conn.Exec(ctx, "select pg_catalog.set_config($1, $2, false)", name, want); err != nil {
			conn.Release()
			return nil, err
		}
	}
	if parsed, _ := conn.Conn().PgConn().CustomData()[underPath].(map[string]bool); len(parsed) > mostStatements {
		if err := deallocate(ctx, conn.Conn()); err != nil {
			conn.Release()
			return nil, err
		}
	}
	return conn, nil
}

// plansOf is where a connection keeps the generation of its plans.
const plansOf = "walcast.plans_of"

// renewPlans has no plan outlive its generation: a plan holds the policies that
// applied to the role when it was made, and no change of roles or of their
// membership makes Postgres plan anew. The statements go too: to discard their
// plans only would have them parsed again by whoever is next to run them, who may
// have no right to the names in them.
func (pg *postgres) renewPlans(ctx context.Context, conn *pgx.Conn) error {
	kept, now := conn.PgConn().CustomData(), pg.Generation()
	if since, known := kept[plansOf].(Generation); known && since != now {
		if err := deallocate(ctx, conn); err != nil {
			return err
		}
	}
	kept[plansOf] = now
	return nil
}

// step is one statement of a transaction; scan reads its rows.
type step struct {
	sql  string
	args []any
	scan func(pgx.Rows) error // nil discards them
}

// stepError tells which step Postgres refused.
type stepError struct {
	step int
	err  error
}

func (e *stepError) Error() string { return e.err.Error() }
func (e *stepError) Unwrap() error { return e.err }

// The ways to begin and end.
const (
	beginRead  = "begin read only"
	beginWrite = "begin read write"
	commit     = "commit"
	rollback   = "rollback"
)

// transact sends a whole transaction at once: one round trip when the pool has
// the statements prepared. pgx prepares before it begins, so statements are
// parsed as ourselves even when a step changes the role, as a policy was parsed
// as its creator: the subject needs no USAGE on the schemas it names. They are
// parsed under whatever search_path the session has, so they qualify all names.
func transact(ctx context.Context, conn *pgxpool.Conn, begin string, steps []step, end string) error {
	err := send(ctx, conn, append([]step{{sql: begin}}, steps...), end)
	var at *stepError
	if errors.As(err, &at) {
		at.step-- // begin is none of the caller's
	}
	return err
}

// transactPinned runs steps in one snapshot, parsed under the path that
// beginPinned pins, and then those that depend on what the first have read.
func transactPinned(ctx context.Context, conn *pgxpool.Conn, steps []step, more func() []step) error {
	if _, err := conn.Exec(ctx, beginPinned); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := send(ctx, conn, steps, ""); err != nil {
		return err
	}
	return send(ctx, conn, more(), commit)
}

// send sends steps at once. With an end or an error no transaction stays open.
func send(ctx context.Context, conn *pgxpool.Conn, steps []step, end string) error {
	batch := &pgx.Batch{}
	for _, s := range steps {
		batch.Queue(s.sql, s.args...)
	}
	if end != "" {
		batch.Queue(end)
	}
	results := conn.SendBatch(ctx, batch)
	err := readResults(results, steps)
	if err == nil && end != "" {
		_, err = results.Exec()
	}
	if e := results.Close(); err == nil && e != nil {
		err = e
	}
	if err != nil && conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		// Failing, this closes the connection, which ends the transaction too.
		_, _ = conn.Exec(context.WithoutCancel(ctx), rollback)
	}
	return err
}

func readResults(results pgx.BatchResults, steps []step) error {
	for i, s := range steps {
		rows, err := results.Query()
		if err == nil && s.scan != nil {
			err = s.scan(rows)
		}
		rows.Close()
		if err == nil {
			err = rows.Err()
		}
		if err != nil {
			return &stepError{i, err}
		}
	}
	return nil
}
