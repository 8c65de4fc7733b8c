package policy

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
)

// statementName is a name for a prepared statement that means the same under
// every search_path.
func statementName(sql string) string {
	h := fnv.New128a()
	_, _ = h.Write([]byte(sql)) // a hash does not fail
	return fmt.Sprintf("walcast_%x", h.Sum(nil))
}

// statementUnder is the name of a statement that is parsed under a search_path.
func statementUnder(path, sql string) string { return statementName(path + "\x00" + sql) }

// underPath is where a connection keeps which statements it has parsed under
// which path.
const underPath = "walcast.under_path"

// prepareUnder has a statement parsed as ourselves under a search_path, once for
// each connection. Postgres parses a prepared statement anew when it meets it
// under another path than that of its parsing, so it must be run under it too.
func prepareUnder(ctx context.Context, conn *pgx.Conn, path, sql string) error {
	name := statementUnder(path, sql)
	kept := conn.PgConn().CustomData()
	parsed, _ := kept[underPath].(map[string]bool)
	if parsed[name] {
		return nil
	}
	if _, err := conn.Exec(ctx, beginRead); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "select pg_catalog.set_config('search_path', $1, true)", path)
	if err == nil {
		_, err = conn.Prepare(ctx, name, sql)
	}
	if _, e := conn.Exec(ctx, rollback); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if parsed == nil {
		parsed = map[string]bool{}
		kept[underPath] = parsed
	}
	parsed[name] = true
	return nil
}

// deallocate forgets all statements that a connection has prepared.
func deallocate(ctx context.Context, conn *pgx.Conn) error {
	delete(conn.PgConn().CustomData(), underPath)
	return conn.DeallocateAll(ctx)
}
