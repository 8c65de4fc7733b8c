package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// oldestVersion is the oldest Postgres whose pgoutput sends logical messages.
const oldestVersion = 140000

// failoverVersion is the oldest Postgres whose standbys can keep a logical slot
// of the primary.
const failoverVersion = 170000

// server is what the ordinary connection tells of the other end.
type server struct {
	database     string // the one that the connection is in
	version      int    // server_version_num, as 150003
	walLevel     string
	started      string // when the server's present run began, in seconds since 1970
	isStandby    bool
	hasLock      bool     // this process has the slot lock, see control
	publications []string // those to read now
	host         string   // host and port of the replication connection
}

// preflight looks at the server over the ordinary connection, which gives
// clearer answers than a failing replication command. It changes nothing.
func (r *Reader) preflight(ctx context.Context) (s server, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	err = r.control.use(ctx, func(db querier) error {
		rows, err := db.Query(ctx, `select current_setting('server_version_num')::int, current_setting('wal_level'),
			pg_is_in_recovery(), current_database()::text, extract(epoch from pg_postmaster_start_time())::text`)
		if err != nil {
			return err
		}
		into := []any{&s.version, &s.walLevel, &s.isStandby, &s.database, &s.started}
		if _, err := pgx.ForEachRow(rows, into, func() error { return nil }); err != nil {
			return err
		}
		return errors.Join(s.check(), s.checkFailover(r.config.SlotFailover))
	})
	return s, err
}

// prepare takes the slot lock and makes sure that the publications are there.
func (r *Reader) prepare(ctx context.Context, s *server) (err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	if s.hasLock, err = r.control.lockSlot(ctx); err != nil {
		return err
	}
	return r.control.use(ctx, func(db querier) error {
		goesOn := func(missing []string) bool { return r.outcomes.streamed && r.publications.survive(missing, s.version) }
		if err := r.publications.ensure(ctx, db, goesOn); err != nil {
			return err
		}
		more, err := r.publications.optional.readable(ctx, db)
		s.publications = append(slices.Clone(r.config.Publications), more...)
		if err != nil {
			return err
		}
		if mended, err := r.outcomes.filters.check(ctx, db, s.publications); err != nil {
			return err
		} else if mended {
			r.continuity.replaceSlot(causeFilter)
		}
		if r.continuity.replace == "" {
			return nil
		}
		return agree(ctx, db, s.publications) // otherwise a new slot would stop at the next change
	})
}

// check says what makes reading from the server pointless.
func (s server) check() error {
	switch {
	case s.version < oldestVersion:
		return &fault{remedy: operate, cause: causeConfiguration, advice: fmt.Sprintf(
			"Postgres %d.%d is too old: walcast needs 14 or newer", s.version/10000, s.version%10000)}
	case s.walLevel != "logical":
		return wrongWALLevel(s.walLevel)
	case s.isStandby && s.version < 160000:
		return standbyTooOld()
	}
	return nil
}

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
