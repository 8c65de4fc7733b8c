package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Serving is what GrantTo did for a role.
type Serving struct {
	Role    string
	Granted []string // statements that were run
	// Refused are statements that are needed and that this connection may not run,
	// with the reason.
	Refused []RefusedStatement
}

// RefusedStatement is a statement that Postgres refused, and why.
type RefusedStatement struct{ Statement, Reason string }

// ErrNoRole means that there is no such role to grant to.
var ErrNoRole = errors.New("there is no such role: create it first, as in CREATE ROLE walcast LOGIN REPLICATION PASSWORD '…'")

// GrantTo gives a role what the server needs whose database-url names it: to
// replicate, to act as the client roles, and to use the schema realtime. What it
// has already is passed over. Nothing is asked for beyond: neither BYPASSRLS nor
// to own anything.
func GrantTo(ctx context.Context, conn *pgx.Conn, role string) (Serving, error) {
	s := Serving{Role: role}
	sql, err := text("serving.sql")
	if err != nil {
		return s, err
	}
	origin, err := findOrigin(ctx, conn)
	if err != nil {
		return s, err
	}
	var exists bool
	if err := conn.QueryRow(ctx, `select exists (select from pg_roles where rolname = $1)`, role).Scan(&exists); err != nil {
		return s, fmt.Errorf("look for role %q: %w", role, err)
	}
	if !exists {
		return s, fmt.Errorf("grant to %q: %w", role, ErrNoRole)
	}
	rows, err := conn.Query(ctx, sql, role, origin == own)
	if err != nil {
		return s, fmt.Errorf("look for what role %q lacks: %w", role, err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return s, fmt.Errorf("look for what role %q lacks: %w", role, err)
	}
	for _, statement := range statements {
		_, err := conn.Exec(ctx, statement)
		var refused *pgconn.PgError
		switch {
		case err == nil:
			s.Granted = append(s.Granted, statement)
		case errors.As(err, &refused):
			s.Refused = append(s.Refused, RefusedStatement{Statement: statement, Reason: refused.Message})
		default:
			return s, fmt.Errorf("run %s: %w", statement, err)
		}
	}
	return s, nil
}
