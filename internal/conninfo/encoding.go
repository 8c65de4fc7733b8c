package conninfo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// NoEncoding is the encoding of a database that takes any bytes for text.
const NoEncoding = "SQL_ASCII"

// pinEncoding has text come and go as UTF-8, whatever the role, the database or
// the URL says. A SQL_ASCII database does not know what encoding its text has, and
// would refuse every statement and every row with bytes that are no UTF-8: there
// bytes come and go as they are.
func pinEncoding(c *pgconn.Config) {
	forget(c.RuntimeParams, "client_encoding")
	c.RuntimeParams["client_encoding"] = "UTF8"
	c.AfterConnect = func(ctx context.Context, conn *pgconn.PgConn) error {
		if conn.ParameterStatus("server_encoding") != NoEncoding {
			return nil
		}
		if _, err := conn.Exec(ctx, "set client_encoding = '"+NoEncoding+"'").ReadAll(); err != nil {
			return fmt.Errorf("have text sent as it is stored: %w", err)
		}
		return nil
	}
}

// Encoding is the client_encoding that a connection made from Parse has.
func Encoding(conn *pgconn.PgConn) string {
	if conn.ParameterStatus("server_encoding") == NoEncoding {
		return NoEncoding
	}
	return "UTF8"
}
