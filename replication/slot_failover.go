package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// failoverVersion is the oldest Postgres whose standbys can keep a logical slot
// of the primary.
const failoverVersion = 170000

// checkFailover says what stands in the way of a slot that survives a failover.
func (s server) checkFailover(wanted bool) error {
	switch {
	case !wanted:
		return nil
	case s.version < failoverVersion:
		return &fault{remedy: operate, cause: causeConfiguration, advice: fmt.Sprintf(
			"slot-failover needs Postgres 17 or newer and this is %d.%d: leave it unset (after a failover walcast then makes its slot anew and clients resync), or let what manages the failover keep the slot",
			s.version/10000, s.version%10000)}
	case s.isStandby:
		return &fault{remedy: operate, cause: causeConfiguration, advice: "slot-failover is for the primary's slot and database-url leads to a standby: leave it unset, or use the primary"}
	}
	return nil
}

// keepFailover makes a slot that exists survive a failover, if that is wanted.
func (r *Reader) keepFailover(ctx context.Context, conn *pgconn.PgConn, slot *Slot, leader bool) error {
	if slot.Failover || !r.config.SlotFailover {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.timing.query+r.timing.slotGrace)
	defer cancel()
	return r.whenFree(ctx, leader, func() error { return enableFailover(ctx, conn, slot.Name) })
}

// enableFailover lets standbys keep a slot that exists. Nobody may be using it.
func enableFailover(ctx context.Context, replication *pgconn.PgConn, name string) error {
	_, err := replication.Exec(ctx, "ALTER_REPLICATION_SLOT "+quoteIdentifier(name)+" (FAILOVER true)").ReadAll()
	if err != nil {
		return fmt.Errorf("enable failover of slot %q: %w", name, err)
	}
	return nil
}
