package policy

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// statementUnder returns the name of a statement that is parsed by a role under a
// search_path.
func statementUnder(role, path, sql string) string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(role + "\x00" + path + "\x00" + sql)) // a hash does not fail
	return fmt.Sprintf("walcast_%x", h.Sum(nil))
}

// underPath is the key of a connection's CustomData for the names of the statements
// that it has parsed.
const underPath = "walcast.under_path"

// mostStatements is how many statements a connection keeps. A connection with more
// drops them all when it is acquired.
const mostStatements = 1000

// prepareUnder has a statement parsed under a search_path, once for each connection,
// by a role or, for "", by our own user. The statement must be run under the same
// path, as Postgres parses prepared statements again under any other.
func prepareUnder(ctx context.Context, conn *pgx.Conn, role, path, sql string) error {
	name := statementUnder(role, path, sql)
	data := conn.PgConn().CustomData()
	parsed, _ := data[underPath].(map[string]bool)
	if parsed[name] {
		return nil
	}
	if _, err := conn.Exec(ctx, beginRead); err != nil {
		return err
	}
	err := parseUnder(ctx, conn.PgConn(), name, role, path, sql)
	if _, e := conn.Exec(ctx, rollback); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if parsed == nil {
		parsed = map[string]bool{}
		data[underPath] = parsed
	}
	parsed[name] = true
	return nil
}

// parseUnder parses the statement. To set path and role it uses no prepared statement,
// for the reason in actor.begin.
func parseUnder(ctx context.Context, conn *pgconn.PgConn, name, role, path, sql string) error {
	set := "select pg_catalog.set_config('search_path', $1, true)"
	args := [][]byte{[]byte(path)}
	if role != "" {
		set += ", pg_catalog.set_config('role', $2, true)"
		args = append(args, []byte(role))
	}
	if err := conn.ExecParams(ctx, set, args, nil, nil, nil).Read().Err; err != nil {
		return err
	}
	_, err := conn.Prepare(ctx, name, sql, nil)
	return err
}

// forget has a statement parsed anew the next time.
func forget(ctx context.Context, conn *pgx.Conn, name string) error {
	parsed, _ := conn.PgConn().CustomData()[underPath].(map[string]bool)
	if !parsed[name] {
		return nil
	}
	delete(parsed, name)
	return conn.PgConn().Deallocate(ctx, name)
}

// deallocate forgets all statements that a connection has prepared, and the plans of
// statements within functions.
func deallocate(ctx context.Context, conn *pgx.Conn) error {
	delete(conn.PgConn().CustomData(), underPath)
	if err := conn.DeallocateAll(ctx); err != nil {
		return err
	}
	return conn.PgConn().ExecParams(ctx, "discard plans", nil, nil, nil, nil).Read().Err
}
