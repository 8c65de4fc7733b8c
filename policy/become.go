package policy

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/conninfo"
)

// readerSQL makes the rest of a transaction run as a subject, as becomeSQL does, but
// for what only rows that were sent need. The role is set last, as the statement needs
// our own rights up to there.
const readerSQL = `select pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('lock_timeout', $1, true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('array_nulls', 'on', true), pg_catalog.set_config('standard_conforming_strings', 'on', true),
	pg_catalog.set_config('request.jwt.claims', $2, true), pg_catalog.set_config('role', $3, true)`

// Become has the rest of an open transaction run as the subject, in which a statement
// may take as long as limit, under a search_path, which is the session's own if it is "". A role that nobody
// can have is a *RoleError. No prepared statement is used, as code of users that ran on the
// connection before could have replaced it.
func (s *Subject) Become(ctx context.Context, conn *pgconn.PgConn, limit time.Duration, path string) error {
	if !s.possible() {
		return &RoleError{Role: s.Role}
	}
	set := conninfo.OwnPathSQL
	if path != "" {
		set = "set local search_path to " + path
	}
	if _, err := conn.Exec(ctx, set).ReadAll(); err != nil {
		return err
	}
	args := [][]byte{[]byte(strconv.FormatInt(limit.Milliseconds(), 10)), []byte(s.Claims), []byte(s.Role)}
	return conn.ExecParams(ctx, readerSQL, args, nil, nil, nil).Read().Err
}

// SafePath returns the session's own search_path without the schemas in which others may
// create something than the owners of some tables, of the database, and superusers: what Postgres
// has printed means the same under it. The transaction that is open has to have the
// search_path pg_catalog, pg_temp, and keeps it.
func (s *Subject) SafePath(ctx context.Context, conn *pgx.Conn, tables []uint32) (path string, err error) {
	_, err = conn.PgConn().Exec(ctx, conninfo.OwnPathSQL).ReadAll()
	for i := 0; err == nil && i < len(tables); i++ {
		var whole bool
		if _, err = conn.PgConn().Exec(ctx, narrowSQL).ReadAll(); err == nil {
			err = conn.QueryRow(ctx, runPathSQL, tables[i], s.Role).Scan(&path, &whole, nil)
		}
	}
	if err == nil {
		_, err = conn.PgConn().Exec(ctx, "set local search_path to "+catalogPath).ReadAll()
	}
	return path, err
}

// narrowSQL has runPathSQL go on from the present search_path.
const narrowSQL = "select pg_catalog.set_config('" + ownSchemas + "', pg_catalog.current_schemas(false)::pg_catalog.text, true), pg_catalog.set_config('search_path', '" + catalogPath + "', true)"
