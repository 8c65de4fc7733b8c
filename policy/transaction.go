package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/conninfo"
)

// acquire takes a connection without plans of an earlier generation.
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

// acquireFrom takes a connection and makes sure of the two settings that decide how
// statements are read. Nearly every database has these values by default, and the
// server reports them, so checking costs nothing.
func acquireFrom(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	for name, want := range map[string]string{"client_encoding": conninfo.Encoding(conn.Conn().PgConn()), "standard_conforming_strings": "on"} {
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

// plansOf is the key of a connection's CustomData for the generation of its plans.
const plansOf = "walcast.plans_of"

// renewPlans drops the plans of an earlier generation. A plan has the policies that
// applied to the role when it was made, and changes of roles or of their membership
// do not make Postgres plan again. The prepared statements are dropped too: if only
// their plans were, Postgres would parse them again as the next role to run them,
// which may have no right to the names in them.
func (pg *postgres) renewPlans(ctx context.Context, conn *pgx.Conn) error {
	data, now := conn.PgConn().CustomData(), pg.Generation()
	if since, known := data[plansOf].(Generation); known && since != now {
		if err := deallocate(ctx, conn); err != nil {
			return err
		}
	}
	data[plansOf] = now
	return nil
}

// step is one statement of a transaction; scan reads its rows.
type step struct {
	sql  string
	args []any
	scan func(pgx.Rows) error // nil discards the rows
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

// transact sends a whole transaction at once, which is one round trip if the
// connection has the statements prepared. pgx prepares before the transaction
// begins, so statements are parsed as our own user even if a step changes the role,
// and the subject needs no USAGE on the schemas that they name, but where a step has set
// another search_path: there Postgres parses them anew, so they qualify all names.
func transact(ctx context.Context, conn *pgxpool.Conn, begin string, steps []step, end string) error {
	err := send(ctx, conn, append([]step{{sql: begin}}, steps...), end)
	var at *stepError
	if errors.As(err, &at) {
		at.step-- // the caller's steps do not include begin
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

// send sends steps at once. After an end, or an error, no transaction is open.
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
