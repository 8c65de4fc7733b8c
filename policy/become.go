package policy

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// readerSQL makes the rest of a transaction run as a subject, as becomeSQL does, but
// for what only rows that were sent need. The role is set last, as the statement needs
// our own rights up to there.
const readerSQL = `select pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('lock_timeout', $1, true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('array_nulls', 'on', true), pg_catalog.set_config('standard_conforming_strings', 'on', true),
	pg_catalog.set_config('request.jwt.claims', $2, true), pg_catalog.set_config('role', $3, true)`

// Become has the rest of an open transaction run as the subject, in which a statement
// may take as long as limit, under the session's own search_path. A role that nobody
// can have is a *RoleError. No prepared statement is used, as code of users that ran on the
// connection before could have replaced it.
func (s *Subject) Become(ctx context.Context, conn *pgconn.PgConn, limit time.Duration) error {
	if !s.possible() {
		return &RoleError{Role: s.Role}
	}
	if _, err := conn.Exec(ctx, "set local search_path to default").ReadAll(); err != nil {
		return err
	}
	args := [][]byte{[]byte(strconv.FormatInt(limit.Milliseconds(), 10)), []byte(s.Claims), []byte(s.Role)}
	return conn.ExecParams(ctx, readerSQL, args, nil, nil, nil).Read().Err
}
