package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/wal"
)

// Slot is a logical replication slot as Postgres reports it.
type Slot struct {
	Name     string // unique in the server
	Database string
	Plugin   string // pgoutput for ours
	Active   bool   // a process reads it
	SlotWAL
	// Holder is the process that reads it, nil when none does.
	Holder *SlotHolder
	// Failover says that standbys keep it too, from 17 on.
	Failover bool

	slotKind
	invalidation string // why it was invalidated, from 17 on
	conflicting  bool   // from 16 on, on a standby
}

// slotKind is what a slot was made as.
type slotKind struct{ temporary, logical, twoPhase bool }

// Temporary says that the slot ends with the session that made it.
func (k slotKind) Temporary() bool { return k.temporary }

// SlotWAL is the WAL that Postgres keeps for a slot.
type SlotWAL struct {
	WALStatus string // reserved, extended, unreserved, lost
	// Restart is where the WAL begins that Postgres keeps for the slot.
	Restart wal.LSN
	// Confirmed is where reading goes on; 0 while the slot is being made.
	Confirmed wal.LSN
	// RetainedBytes is the WAL that Postgres keeps for the slot.
	RetainedBytes int64
	// RetainedFor is the age of the oldest of that WAL: at least so old. It is
	// negative where this role may not know.
	RetainedFor time.Duration
}

// SlotHolder is the server process that reads a slot. Postgres hides name and
// address from roles that are neither the holder's nor in pg_monitor.
type SlotHolder struct {
	PID         int32
	Application string
	Address     string // client address, "" for a local socket
	// isEnding says that the process is about to let go of the slot: it is not listed any
	// more, or is Postgres' own, which has it while it gives it up as lost.
	isEnding bool
}

// String names the holder in a sentence.
func (h *SlotHolder) String() string {
	s := fmt.Sprintf("process %d", h.PID)
	if h.Application != "" {
		s += fmt.Sprintf(", application_name %q", h.Application)
	}
	if h.Address != "" {
		return s + ", client address " + h.Address
	}
	return s
}

// walEnd is the end of the WAL that readers can get: what is not flushed is not
// sent. On a standby the plain function fails.
const walEnd = `case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end`

// slotQuery reads slots through JSON, as the columns differ between versions.
const slotQuery = `
	select s.slot_name::text, coalesce(s.database::text, ''), coalesce(s.plugin::text, ''), s.active, coalesce(s.wal_status, ''),
		coalesce(s.restart_lsn, '0/0')::text, coalesce(s.confirmed_flush_lsn, '0/0')::text,
		greatest(coalesce(pg_wal_lsn_diff(` + walEnd + `, s.restart_lsn), 0), 0)::bigint,
		s.temporary, s.slot_type = 'logical',
		coalesce((to_jsonb(s) ->> 'two_phase')::bool, false),
		coalesce(to_jsonb(s) ->> 'invalidation_reason', ''),
		coalesce((to_jsonb(s) ->> 'conflicting')::bool, false),
		coalesce((to_jsonb(s) ->> 'failover')::bool, false),
		coalesce(s.active_pid, 0), coalesce(a.application_name, ''), coalesce(host(a.client_addr), ''),
		s.active_pid is not null and a.datid is null
	from pg_replication_slots s
	left join pg_stat_activity a on a.pid = s.active_pid`

// DropSlot drops a slot that no process reads, and with it the right to all WAL
// that it keeps. It refuses with one sentence when the slot is in use, does
// not exist or is not one of walcast's kind.
func DropSlot(ctx context.Context, conn *pgx.Conn, name string) error {
	slot, err := findSlot(ctx, conn, name)
	switch {
	case err != nil:
		return err
	case slot == nil:
		return fmt.Errorf("slot %q does not exist", name)
	case slot.Plugin != outputPlugin:
		return fmt.Errorf("slot %q is not walcast's: its plugin is %q", name, slot.Plugin)
	case slot.Holder != nil:
		return fmt.Errorf("slot %q is in use by %s: stop it first", name, slot.Holder)
	}
	return dropSlot(ctx, conn, name)
}

// outputPlugin is what our slots are made for.
const outputPlugin = "pgoutput"

// findSlot returns the named slot, nil if there is none.
func findSlot(ctx context.Context, db querier, name string) (*Slot, error) {
	slots, err := querySlots(ctx, db, slotQuery+` where s.slot_name = $1`, name)
	if err != nil {
		return nil, fmt.Errorf("look for slot %q: %w", name, err)
	}
	if len(slots) == 0 {
		return nil, nil
	}
	return &slots[0], nil
}

func querySlots(ctx context.Context, db querier, sql string, args ...any) ([]Slot, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Slot, err error) {
		var restart, confirmed string
		var h SlotHolder
		err = row.Scan(&s.Name, &s.Database, &s.Plugin, &s.Active, &s.WALStatus, &restart, &confirmed, &s.RetainedBytes,
			&s.temporary, &s.logical, &s.twoPhase, &s.invalidation, &s.conflicting, &s.Failover,
			&h.PID, &h.Application, &h.Address, &h.isEnding)
		if err != nil {
			return s, err
		}
		if h.PID != 0 {
			s.Holder = &h
		}
		if s.Restart, err = wal.ParseLSN(restart); err != nil {
			return s, err
		}
		s.Confirmed, err = wal.ParseLSN(confirmed)
		return s, err
	})
}

// dropSlot drops without asking. A slot that is gone already is no error.
func dropSlot(ctx context.Context, db querier, name string) error {
	_, err := db.Exec(ctx, `select pg_drop_replication_slot($1)`, name)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42704" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("drop slot %q: %w", name, err)
	}
	return nil
}

// Lost reports whether the slot can never be read again, and why.
func (s *Slot) Lost() (why string, lost bool) {
	switch {
	case s.invalidation != "":
		return s.invalidation, true
	case s.WALStatus == "lost":
		return "its WAL was removed, as it was more than max_slot_wal_keep_size", true
	case s.conflicting:
		return "conflict with recovery", true
	case s.Confirmed == 0 && !s.Active:
		return "its creation never ended", true
	}
	return "", false
}

// Refused says why the slot is not one that a reader of the database may use or
// replace, nil if it is: the slot of another program is never dropped.
func (s *Slot) Refused(database string) error {
	const another = ": set slot to another name"
	var why string
	switch {
	case !s.logical:
		why = "is a physical one" + another
	case s.Plugin != outputPlugin:
		why = fmt.Sprintf("is of plugin %q, not pgoutput%s", s.Plugin, another)
	case s.Database != database:
		why = fmt.Sprintf("belongs to database %s, not %s%s", quoteIdentifier(s.Database), quoteIdentifier(database), another)
	case s.twoPhase:
		why = "has two_phase enabled, which walcast does not read: drop it with SELECT pg_drop_replication_slot(" +
			quoteLiteral(s.Name) + "), or set slot to another name"
	case s.temporary:
		why = "is the temporary one of another process" + another
	default:
		return nil
	}
	return &fault{remedy: operate, cause: causeConfiguration, advice: "slot " + quoteIdentifier(s.Name) + " " + why}
}
