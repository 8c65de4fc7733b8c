package policy

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// actor is who statements are run as, and with which settings.
type actor struct {
	role, claims string
	path         string // the search_path that statements are parsed and run under
	rows, lacks  string // see rowsSetting and lacksSetting
	byKey        bool   // a table is only looked up in by an index, if it has a fitting one
	timeout      time.Duration
}

// becomeSQL makes the rest of a transaction run as a subject does row-level
// security for row changes: of what policies look at, only
// role and request.jwt.claims are set. What the values of a row are read by is
// as the WAL has them written. The role comes last, as it takes rights. It is
// parsed under any search_path, so that its names are qualified. It returns its
// snapshot: what that sees, every later statement of the transaction sees.
const becomeSQL = `select pg_catalog.pg_current_snapshot(), pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('lock_timeout', $1, true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('IntervalStyle', 'postgres', true), pg_catalog.set_config('lc_monetary', 'C', true),
	pg_catalog.set_config('array_nulls', 'on', true), pg_catalog.set_config('search_path', $2, true),
	pg_catalog.set_config('` + rowsSetting + `', $3, true),
	pg_catalog.set_config('enable_seqscan', $6, true), pg_catalog.set_config('` + lacksSetting + `', $7, true),
	pg_catalog.set_config('request.jwt.claims', $4, true), pg_catalog.set_config('role', $5, true)`

// begin sends two statements: from then on the actor's rights count. They have
// no name, so that code of users that has run on the connection before cannot
// have put others in their place.
func (a actor) begin(pipeline *pgconn.Pipeline) {
	pipeline.SendQueryParams(beginRead, nil, nil, nil, nil)
	timeout := strconv.FormatInt(a.timeout.Milliseconds(), 10)
	scan := "on"
	if a.byKey {
		scan = "off"
	}
	args := [][]byte{[]byte(timeout), []byte(a.path), []byte(a.rows), []byte(a.claims), []byte(a.role), []byte(scan), []byte(a.lacks)}
	pipeline.SendQueryParams(becomeSQL, args, nil, nil, nil)
}

// end sends one statement. It takes everything back, with it what code of users
// has set for the session.
func (a actor) end(pipeline *pgconn.Pipeline) {
	pipeline.SendQueryParams(rollback, nil, nil, nil, nil)
}

// touchedSQL counts prepared statements that SQL has made, which only code of
// users does, and adds those of ours that are missing.
const touchedSQL = `select (select pg_catalog.count(*) from pg_catalog.pg_prepared_statement() as made where made.from_sql)
	operator(pg_catalog.+) (select pg_catalog.count(*) from pg_catalog.unnest($1::pg_catalog.text[]) as ours (name)
		where not exists (select from pg_catalog.pg_prepared_statement() as found where found.name operator(pg_catalog.=) ours.name))`

// touched reports whether code of users has made or taken away prepared
// statements, which no rollback undoes: then the answers of the named ones are
// worth nothing, and the connection must not be used again. The statement that
// looks has no name itself.
func touched(ctx context.Context, conn *pgx.Conn) (bool, error) {
	parsed, _ := conn.PgConn().CustomData()[underPath].(map[string]bool)
	names := "{" + strings.Join(slices.Collect(maps.Keys(parsed)), ",") + "}"
	result := conn.PgConn().ExecParams(ctx, touchedSQL, [][]byte{[]byte(names)}, nil, nil, nil).Read()
	if result.Err != nil {
		return false, result.Err
	}
	return string(result.Rows[0][0]) != "0", nil
}

// leave ends a connection on which code of users has left something behind.
func leave(ctx context.Context, conn *pgx.Conn) error {
	if conn.PgConn().TxStatus() != 'I' {
		if _, err := conn.Exec(ctx, rollback); err != nil {
			return err
		}
	}
	bad, err := touched(ctx, conn)
	if bad {
		return conn.Close(ctx)
	}
	return err
}
