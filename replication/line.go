package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// line is the processes that stand by for a slot, in the order in which they began to.
// Each shows its place by an advisory lock that it shares with nobody who came at
// another time: the key is the slot and that time. It is lost with the session, so
// that nobody waits for a process that is gone. It belongs to the goroutine in Run.
type line struct {
	slot    string
	control *control
	place   int32 // 0 before it joined; it is kept when the session is lost
}

// joinQuery takes the place $2, or one at the end of the line. Places are tenths of a
// second; after seven years they begin anew, and one standby may be taken for the
// wrong one's successor.
const joinQuery = `
	select place
	from (select case $2::int when 0 then 1 + (extract(epoch from clock_timestamp()) * 10)::bigint % 2147483646 else $2::int end::int) p (place)
	where pg_try_advisory_lock_shared(hashtext('walcast.standby.' || $1), place)`

// leaveQuery gives the place back.
const leaveQuery = `select pg_advisory_unlock_shared(hashtext('walcast.standby.' || $1), $2)`

// aheadQuery counts those who came before the place $2.
const aheadQuery = `
	select count(*)::int
	from pg_locks
	where locktype = 'advisory' and objsubid = 2 and database = (select oid from pg_database where datname = current_database())
		and classid::bigint = hashtext('walcast.standby.' || $1)::bigint & 4294967295 and objid::bigint < $2`

// join takes this process' place, unless its session has it.
func (l *line) join(ctx context.Context) error {
	return l.control.use(ctx, func(db querier) error {
		if l.control.inLine {
			return nil
		}
		place, err := l.ask(ctx, db, joinQuery, l.slot, l.place)
		if err == nil && place != 0 {
			l.place, l.control.inLine = place, true
		}
		return err
	})
}

// leave gives the place up.
func (l *line) leave(ctx context.Context) error {
	return l.control.use(ctx, func(db querier) error {
		if !l.control.inLine {
			return nil
		}
		_, err := queryBool(ctx, db, leaveQuery, l.slot, l.place)
		l.place, l.control.inLine = 0, err != nil
		return err
	})
}

// ahead is how many stand by for longer than this process: all, if it does not stand by.
func (l *line) ahead(ctx context.Context) (n int32, err error) {
	place := int64(l.place)
	if place == 0 {
		place = 1 << 31
	}
	err = l.control.use(ctx, func(db querier) error {
		n, err = l.ask(ctx, db, aheadQuery, l.slot, place)
		return err
	})
	return n, err
}

func (l *line) ask(ctx context.Context, db querier, sql string, args ...any) (n int32, err error) {
	rows, err := db.Query(ctx, sql, args...)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&n}, func() error { return nil })
	}
	if err != nil {
		return 0, fmt.Errorf("look who stands by for slot %q: %w", l.slot, err)
	}
	return n, nil
}
