package server

import (
	"context"
	"fmt"

	"walcast/migrations"
	"walcast/replication"
)

// migrate makes the schema realtime. What it lacks for some clients is logged,
// what it cannot do ends the start.
func (p *project) migrate(ctx context.Context) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return stopping(ctx, replication.Explain(err, &p.pool.Config().ConnConfig.Config))
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
	p.upkeep.tell(report.Upkeep)
	return nil
}

// stopping returns no error when ctx is done: a stop is the reason for it then.
func stopping(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
