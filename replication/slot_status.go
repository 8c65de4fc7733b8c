package replication

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SlotStatus lists the logical replication slots of the server, those that
// keep most WAL first. conn is an ordinary connection; any role may ask.
func SlotStatus(ctx context.Context, conn *pgx.Conn) ([]Slot, error) {
	slots, err := querySlots(ctx, conn, slotQuery+` where s.slot_type = 'logical' order by 8 desc, 1`)
	if err != nil {
		return nil, fmt.Errorf("list replication slots: %w", err)
	}
	ages, err := slotAges(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("look for the age of the WAL: %w", err)
	}
	for i := range slots {
		slots[i].RetainedFor = -1
		if age, ok := ages[slots[i].Name]; ok {
			slots[i].RetainedFor = age
		}
	}
	return slots, nil
}

// SlotLimit is max_slot_wal_keep_size as Postgres writes it, "-1" if there is
// no limit.
func SlotLimit(ctx context.Context, conn *pgx.Conn) (limit string, err error) {
	if err := conn.QueryRow(ctx, `show max_slot_wal_keep_size`).Scan(&limit); err != nil {
		return "", fmt.Errorf("look for max_slot_wal_keep_size: %w", err)
	}
	return limit, nil
}

// mayListQuery asks whether slotAgesQuery will do: it needs pg_monitor, and the
// names of files have no meaning on a standby.
const mayListQuery = `select has_function_privilege('pg_ls_waldir()', 'execute') and not pg_is_in_recovery()`

// slotAgesQuery takes the time at which the file was last written to in which
// the retained WAL begins. The timeline in its name may be another than today's.
const slotAgesQuery = `
	select s.slot_name::text, greatest(extract(epoch from clock_timestamp() - min(f.modification)), 0)::float8
	from pg_replication_slots s
	join pg_ls_waldir() f on right(f.name, 16) = right(pg_walfile_name(s.restart_lsn), 16)
	where s.restart_lsn is not null
	group by 1`

// slotAges tells how old the oldest WAL is that is retained for each slot, as far
// as this role may know.
func slotAges(ctx context.Context, conn *pgx.Conn) (map[string]time.Duration, error) {
	may, err := queryBool(ctx, conn, mayListQuery)
	if err != nil || !may {
		return nil, err
	}
	rows, err := conn.Query(ctx, slotAgesQuery)
	if err != nil {
		return nil, err
	}
	ages := map[string]time.Duration{}
	var name string
	var seconds float64
	_, err = pgx.ForEachRow(rows, []any{&name, &seconds}, func() error {
		ages[name] = time.Duration(seconds * float64(time.Second))
		return nil
	})
	return ages, err
}
