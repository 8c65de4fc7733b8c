package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Retention is how long messages are kept at least, as upstream does; a
// client can ask for a replay of no more.
const Retention = 72 * time.Hour

// How many days after today have a partition. A database with Supabase's
// schema has as many as Supabase makes, so that two servers agree.
const (
	daysAhead        = 7
	daysAheadForeign = 3
)

// Maintain creates the partitions of realtime.messages for the days around now
// and ahead, and drops those that are older than Retention. It is due every
// few hours. Without a schema it does nothing; in a schema that somebody else
// made it creates partitions, since without one a message is lost, and drops
// nothing. Several nodes may call it at once: one does it.
func Maintain(ctx context.Context, conn *pgx.Conn, now time.Time) (u Upkeep, err error) {
	origin, err := findOrigin(ctx, conn)
	if err != nil {
		return u, err
	}
	switch origin {
	case own:
		u, err = maintainOwn(ctx, conn, now)
	case foreign:
		u, err = maintainForeign(ctx, conn, now)
	}
	if err != nil {
		return u, fmt.Errorf("keep up the partitions of realtime.messages: %w", err)
	}
	return u, nil
}

// keepSQL names the function that this role calls. A role that was granted to
// serve, and has no rights of the owner of messages, calls the function that runs
// with these rights.
const keepSQL = `
	select case when keep.oid is not null and has_function_privilege(keep.oid, 'execute') and not pg_has_role(m.relowner, 'usage')
		then 'walcast_keep' else 'walcast_upkeep' end
	from pg_class m, (select to_regprocedure('realtime.walcast_keep(timestamptz, int, interval)') as oid) keep
	where m.oid = to_regclass('realtime.messages')
		and to_regprocedure('realtime.walcast_upkeep(timestamptz, int, interval)') is not null`

// maintainOwn does the upkeep of a schema that walcast made.
func maintainOwn(ctx context.Context, conn *pgx.Conn, now time.Time) (u Upkeep, err error) {
	var usable bool
	if err := conn.QueryRow(ctx, `select has_schema_privilege('realtime', 'usage')`).Scan(&usable); err != nil {
		return u, err
	}
	if !usable {
		return u, notServing(conn)
	}
	var function string
	switch err := conn.QueryRow(ctx, keepSQL).Scan(&function); {
	case errors.Is(err, pgx.ErrNoRows):
		return u, nil // somebody is making the schema, and does the upkeep then
	case err != nil:
		return u, err
	}
	u, err = upkeep(ctx, conn, `select * from realtime.`+function+`($1, $2::int, $3::interval)`, now, daysAhead, Retention)
	if hasCode(err, codeInsufficientPrivilege) {
		return u, notServing(conn)
	}
	return u, err
}

// codeInsufficientPrivilege is the SQLSTATE of what a role may not do.
const codeInsufficientPrivilege = "42501"

// notServing says what lets the role of a connection serve.
func notServing(conn *pgx.Conn) error {
	return fmt.Errorf(`role %q may not: as owner of the database, run "walcast migrate --grant-to %[1]s"`, conn.Config().User)
}

// maintainForeign brings its own function, for the transaction only.
func maintainForeign(ctx context.Context, conn *pgx.Conn, now time.Time) (u Upkeep, err error) {
	sql, err := text("003_upkeep.sql")
	if err != nil {
		return u, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var partitioned bool
		const kind = `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = 'realtime' and c.relname = 'messages' and c.relkind = 'p')`
		if err := tx.QueryRow(ctx, kind).Scan(&partitioned); err != nil || !partitioned {
			return err
		}
		if _, err := tx.Exec(ctx, strings.ReplaceAll(sql, "realtime.walcast_upkeep", "pg_temp.walcast_upkeep")); err != nil {
			return err
		}
		if u, err = upkeep(ctx, tx, `select * from pg_temp.walcast_upkeep($1, $2::int, $3::interval)`, now, daysAheadForeign, nil); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `drop function pg_temp.walcast_upkeep(timestamptz, int, interval)`)
		return err
	})
	return u, err
}

// querier is a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func upkeep(ctx context.Context, q querier, sql string, args ...any) (u Upkeep, err error) {
	// Not prepared: the function in pg_temp is another one each time.
	rows, err := q.Query(ctx, sql, append([]any{pgx.QueryExecModeExec}, args...)...)
	if err != nil {
		return u, err
	}
	var partition, done string
	_, err = pgx.ForEachRow(rows, []any{&partition, &done}, func() error { return u.add(partition, done) })
	return u, err
}

// add takes one row of the function's answer.
func (u *Upkeep) add(partition, done string) error {
	lists := map[string]*[]string{
		"created": &u.Created, "dropped": &u.Dropped, "occupied": &u.Occupied, "busy": &u.Busy, "refused": &u.Refused,
	}
	switch list := lists[done]; {
	case done == "trimmed":
		u.Trimmed = true
	case list != nil:
		*list = append(*list, partition)
	default:
		return errors.New("unknown answer " + done)
	}
	return nil
}
