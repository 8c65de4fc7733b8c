package migrations

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// origin is what made the schema realtime.
type origin int

const (
	absent origin = iota
	own
	foreign
)

// findOrigin reads catalogs that everybody may read.
func findOrigin(ctx context.Context, conn *pgx.Conn) (origin, error) {
	var schema, ledger bool
	err := conn.QueryRow(ctx, `
		select count(*) > 0, count(c.oid) > 0
		from pg_namespace n left join pg_class c on c.relnamespace = n.oid and c.relname = 'walcast_migrations'
		where n.nspname = 'realtime'`).Scan(&schema, &ledger)
	switch {
	case err != nil:
		return absent, fmt.Errorf("find schema realtime: %w", err)
	case ledger:
		return own, nil
	case schema:
		return foreign, nil
	}
	return absent, nil
}

// unlockLimit bounds what is done for the lock after the caller's context is
// done; a connection that is lost has lost the lock too.
const unlockLimit = 5 * time.Second

// locked runs f while no other node migrates this database.
func locked(ctx context.Context, conn *pgx.Conn, f func() error) (err error) {
	if _, err := conn.Exec(ctx, `select pg_advisory_lock(hashtextextended('walcast.migrations', 0))`); err != nil {
		return fmt.Errorf("wait for other migrations: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockLimit)
		defer cancel()
		_, unlockErr := conn.Exec(ctx, `select pg_advisory_unlock(hashtextextended('walcast.migrations', 0))`)
		if err == nil && unlockErr != nil {
			err = fmt.Errorf("let others migrate: %w", unlockErr)
		}
	}()
	return f()
}
