package conninfo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// CatalogPath is the search_path under which names mean what Postgres has made. pg_temp is
// last, as it would come first if it were not named.
const CatalogPath = "pg_catalog, pg_temp"

// OwnPathSQL gives the rest of a transaction the search_path that the role, the database or
// the URL has set, for code of others that counts on it.
const OwnPathSQL = "set local search_path to default"

// pinSQL sets the path of a session if its process is the one that has answered.
const pinSQL = "select pg_catalog.set_config('search_path', '" + CatalogPath + "', false) where pg_catalog.pg_backend_pid() operator(pg_catalog.=) %d"

// PinPath gives connections the search_path CatalogPath, on top of what AfterConnect does
// already. Whoever may create functions and operators in a schema of another path could
// have them called in place of Postgres' own, with the rights of the user who has logged
// in: those that fit the arguments better are preferred, whatever the order of schemas.
//
// Poolers refuse it as a parameter of the connection, and give sessions to others, who
// would then find nothing of theirs. They answer in the name of processes that there are
// not, so that their sessions are left as they are.
func PinPath(c *pgconn.Config) {
	before := c.AfterConnect
	c.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf(pinSQL, conn.PID())).ReadAll(); err != nil {
			return fmt.Errorf("have names mean what Postgres has made: %w", err)
		}
		return nil
	}
}
