package server

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/migrations"
)

const (
	// upkeepInterval is how often partitions are looked after; they are made
	// for days ahead, so that a few misses do no harm.
	upkeepInterval = 4 * time.Hour
	// upkeepRetry is the pause after a look that failed.
	upkeepRetry = time.Minute
	// upkeepLimit bounds one look after them.
	upkeepLimit = time.Minute
)

// migrate makes the schema realtime. What it lacks for some clients is logged,
// what it cannot do ends the start.
func (p *project) migrate(ctx context.Context) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return stopping(ctx, fmt.Errorf("migrate: connect to Postgres: %w", err))
	}
	defer conn.Release()
	report, err := migrations.Apply(ctx, conn.Conn(), p.logger)
	if err != nil {
		return stopping(ctx, fmt.Errorf("migrate: %w: let the role of database-url own the database, or run \"walcast migrate\" as one that does", err))
	}
	for _, role := range report.Absent {
		p.logger.Warn("client role does not exist, so schema realtime is not granted to it", "role", role)
	}
	for _, gap := range report.Gaps {
		p.logger.Warn("schema realtime lacks something", "object", gap.Object, "without", gap.Without, "remedy", gap.Remedy)
	}
	p.tellUpkeep(report.Upkeep)
	return nil
}

// stopping returns no error when ctx is done: a stop is the reason for it then.
func stopping(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// upkeep keeps the partitions of realtime.messages ahead until ctx is done.
func (p *project) upkeep(ctx context.Context) error {
	for {
		wait := upkeepInterval
		u, err := maintain(ctx, p.pool)
		switch {
		case err == nil:
			p.tellUpkeep(u)
		case ctx.Err() == nil:
			wait = upkeepRetry
			p.logger.Warn("partitions of realtime.messages not looked after", "err", oneLine(err), "retry_in", wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func maintain(ctx context.Context, pool *pgxpool.Pool) (migrations.Upkeep, error) {
	ctx, cancel := context.WithTimeout(ctx, upkeepLimit)
	defer cancel()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return migrations.Upkeep{}, err
	}
	defer conn.Release()
	return migrations.Maintain(ctx, conn.Conn(), time.Now())
}

func (p *project) tellUpkeep(u migrations.Upkeep) {
	if len(u.Created)+len(u.Dropped) > 0 {
		p.logger.Info("partitions of realtime.messages kept up", "created", u.Created, "dropped", u.Dropped)
	}
	if len(u.Occupied)+len(u.Busy)+len(u.Refused) > 0 {
		p.logger.Warn("partitions of realtime.messages not kept up", "occupied", u.Occupied, "busy", u.Busy, "refused", u.Refused)
	}
}
