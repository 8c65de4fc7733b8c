package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// fullID makes the id of 64 bits that snapshots have of one of 32 bits, as pgoutput
// has it: the two that are compared are less than 2^31 apart.
const fullID = `next + (($1::bigint - next + 2147483648) & 4294967295) - 2147483648`

const seesQuery = `
	select pg_visible_in_snapshot((` + fullID + `)::text::xid8, now)
	from (select now, pg_snapshot_xmax(now)::text::bigint as next from pg_current_snapshot() as now) as snapshot`

// Sees reports whether what a committed transaction did is seen by now. The WAL
// tells of a commit before Postgres' snapshots do. No transaction has the id 0.
func (c Catalog) Sees(ctx context.Context, xid uint32) (bool, error) {
	if xid == 0 {
		return true, nil
	}
	rows, err := c.db.Query(ctx, seesQuery, int64(xid))
	if err == nil {
		var sees bool
		if sees, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool]); err == nil {
			return sees, nil
		}
	}
	return false, fmt.Errorf("look whether transaction %d is seen: %w", xid, err)
}
