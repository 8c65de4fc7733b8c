package replication

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/wal"
)

// slotCreator makes the slot. Postgres first waits for every transaction of
// the whole server that has written and is still open, so this can take long,
// and the log names these transactions.
type slotCreator struct {
	name        string
	failover    bool          // standbys keep it too
	limit       time.Duration // how long to wait
	reportEvery time.Duration // how often to log what blocks
	logger      *slog.Logger
}

// create makes the slot over the replication connection. db is an ordinary
// connection.
func (c slotCreator) create(ctx context.Context, replication *pgconn.PgConn, db querier) error {
	waiting, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	type result struct {
		start wal.LSN
		err   error
	}
	done := make(chan result, 1)
	go func() {
		start, err := c.run(waiting, replication)
		done <- result{start, err}
	}()
	tick := time.NewTicker(c.reportEvery)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			if r.err == nil {
				c.logger.Info("slot created: Postgres keeps WAL for it until it is dropped", "start", r.start.String(),
					"drop", "SELECT pg_drop_replication_slot("+quoteLiteral(c.name)+")")
				return nil
			}
			if waiting.Err() != nil {
				return c.cancel(ctx, replication.PID(), db)
			}
			return fmt.Errorf("create slot %q: %w", c.name, r.err)
		case <-tick.C:
			if found := blockers(ctx, db); len(found) > 0 {
				c.logger.Warn("slot creation waits for open transactions", "blockers", strings.Join(found, "; "))
			}
		}
	}
}

func (c slotCreator) run(ctx context.Context, conn *pgconn.PgConn) (wal.LSN, error) {
	options := " NOEXPORT_SNAPSHOT"
	if c.failover { // 14 does not know the other form
		options = " (SNAPSHOT 'nothing', FAILOVER true)"
	}
	sql := "CREATE_REPLICATION_SLOT " + quoteIdentifier(c.name) + " LOGICAL " + outputPlugin + options
	result, err := pglogrepl.ParseCreateReplicationSlot(conn.Exec(ctx, sql))
	if err != nil {
		return 0, err
	}
	return wal.ParseLSN(result.ConsistentPoint)
}

// cancel ends our own server process: left alone it keeps waiting, and keeps
// the half-made slot, until the blockers are gone.
func (c slotCreator) cancel(ctx context.Context, pid uint32, db querier) error {
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	found := blockers(cleanup, db)
	if _, err := db.Exec(cleanup, `select pg_terminate_backend($1)`, int32(pid)); err != nil {
		c.logger.Warn("slot creation could not be ended on the server", "pid", pid, "err", err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	advice := fmt.Sprintf("slot %q could not be created within %v", c.name, c.limit)
	if len(found) > 0 {
		advice += ", as Postgres first waits for every open transaction: end " + strings.Join(found, "; ")
	}
	return &fault{remedy: retrySlowly, cause: causeSlotCreation, advice: advice}
}

// blockersQuery lists the transactions that have written and not committed, in
// any database.
const blockersQuery = `
	select format('process %s (database %s, user %s, %s for %s s)', pid, datname, usename, state,
		extract(epoch from now() - xact_start)::bigint)
	from pg_stat_activity
	where backend_xid is not null and pid <> pg_backend_pid() and backend_type = 'client backend'
	union all
	select format('prepared transaction %L (database %s, user %s, for %s s)', gid, database, owner,
		extract(epoch from now() - prepared)::bigint)
	from pg_prepared_xacts`

// blockers describes these transactions for people. A failure is no error: the
// message then just says less.
func blockers(ctx context.Context, db querier) []string {
	found, err := queryStrings(ctx, db, blockersQuery)
	if err != nil {
		return nil
	}
	return found
}
