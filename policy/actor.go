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

// actor is the role and the settings that statements are run with.
type actor struct {
	role, claims string
	path         string // the search_path that statements are parsed and run under
	rows, lacks  string // see rowsSetting and lacksSetting
	byKey        bool   // rows are looked up by key: no sequential scan if an index fits
	timeout      time.Duration
}

// becomeSQL makes the rest of a transaction run as a subject. Of the settings that
// policies look at it sets only role and request.jwt.claims. The settings by which
// the values of a row are read are those that the WAL was written with. The role is
// set last, as the statement needs our own rights up to there. All names are
// qualified, as the statement is parsed under any search_path. It returns its
// snapshot, which sees no more than the later statements of the transaction.
const becomeSQL = `select pg_catalog.pg_current_snapshot(), pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('lock_timeout', $1, true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('IntervalStyle', 'postgres', true), pg_catalog.set_config('lc_monetary', 'C', true),
	pg_catalog.set_config('array_nulls', 'on', true), pg_catalog.set_config('search_path', $2, true),
	pg_catalog.set_config('` + rowsSetting + `', $3, true),
	pg_catalog.set_config('enable_seqscan', $6, true), pg_catalog.set_config('` + lacksSetting + `', $7, true),
	pg_catalog.set_config('request.jwt.claims', $4, true), pg_catalog.set_config('role', $5, true)`

// begin sends two statements, after which the actor's rights apply. They are not
// prepared under a name, as code of users that ran on the connection before could
// have replaced prepared statements.
func (a actor) begin(pipeline *pgconn.Pipeline) {
	pipeline.SendQueryParams(beginRead, nil, nil, nil, nil)
	timeout := strconv.FormatInt(a.timeout.Milliseconds(), 10)
	seqscan := "on"
	if a.byKey {
		seqscan = "off"
	}
	args := [][]byte{[]byte(timeout), []byte(a.path), []byte(a.rows), []byte(a.claims), []byte(a.role), []byte(seqscan), []byte(a.lacks)}
	pipeline.SendQueryParams(becomeSQL, args, nil, nil, nil)
}

// end sends one statement, which rolls everything back, including settings that code
// of users has made for the session.
func (a actor) end(pipeline *pgconn.Pipeline) {
	pipeline.SendQueryParams(rollback, nil, nil, nil, nil)
}

// touchedSQL counts the prepared statements that were made by SQL, as only code of
// users does, and those of ours that are missing.
const touchedSQL = `select (select pg_catalog.count(*) from pg_catalog.pg_prepared_statement() as made where made.from_sql)
	operator(pg_catalog.+) (select pg_catalog.count(*) from pg_catalog.unnest($1::pg_catalog.text[]) as ours (name)
		where not exists (select from pg_catalog.pg_prepared_statement() as found where found.name operator(pg_catalog.=) ours.name))`

// touched reports whether code of users has made or removed prepared statements,
// which no rollback undoes. Answers of prepared statements then mean nothing, and
// the connection must not be used again. touched itself uses no prepared statement.
func touched(ctx context.Context, conn *pgx.Conn) (bool, error) {
	parsed, _ := conn.PgConn().CustomData()[underPath].(map[string]bool)
	names := "{" + strings.Join(slices.Collect(maps.Keys(parsed)), ",") + "}"
	result := conn.PgConn().ExecParams(ctx, touchedSQL, [][]byte{[]byte(names)}, nil, nil, nil).Read()
	if result.Err != nil {
		return false, result.Err
	}
	return string(result.Rows[0][0]) != "0", nil
}

// leave ends what was done on a connection. It closes the connection if code of users
// has changed its prepared statements.
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
