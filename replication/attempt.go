package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// oldestVersion is the oldest Postgres whose pgoutput sends logical messages.
const oldestVersion = 140000

// attempt connects and streams until something breaks or ctx is done.
func (r *Reader) attempt(ctx context.Context) error {
	server, err := r.preflight(ctx)
	if err != nil {
		return err
	}
	in := newIntake()
	config, err := replicationConfig(r.config.DatabaseURL, r.application, in)
	if err != nil {
		return errors.New("database-url: cannot be read")
	}
	config.RuntimeParams["wal_sender_timeout"] = milliseconds(r.timing.sender)
	r.site = site{role: config.User, database: config.Database, slot: r.config.Slot}
	conn, err := connectReplication(ctx, config)
	if err != nil {
		return err
	}
	defer closeQuietly(conn) // does nothing once the stream has taken it over
	now, err := r.identify(ctx, conn, server.started)
	if err != nil {
		return err
	}
	if err := r.prepareSlot(ctx, conn, server); err != nil {
		return err
	}
	if err := r.whenFree(ctx, server.isLed, func() error { return r.start(ctx, conn) }); err != nil {
		return err
	}
	from, err := r.agree(ctx, now)
	if err != nil {
		return err
	}
	s, err := newStream(r, conn, in, from, server.isStandby)
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// server is what the ordinary connection tells of the other end.
type server struct {
	database  string // the one we are in
	version   int    // as 150003
	walLevel  string
	started   string // when this run of it began
	isStandby bool
	isLed     bool // by us: we have the leader lock
}

// preflight looks at the server over the ordinary connection, which gives
// clearer answers than a failing replication command.
func (r *Reader) preflight(ctx context.Context) (s server, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	ordinary := r.pool.Config().ConnConfig
	r.site = site{role: ordinary.User, database: ordinary.Database, slot: r.config.Slot}
	if s.isLed, err = r.control.lead(ctx); err != nil {
		return s, err
	}
	err = r.control.use(ctx, func(db querier) error {
		rows, err := db.Query(ctx, `select current_setting('server_version_num')::int, current_setting('wal_level'),
			pg_is_in_recovery(), current_database()::text, extract(epoch from pg_postmaster_start_time())::text`)
		if err != nil {
			return err
		}
		scan := []any{&s.version, &s.walLevel, &s.isStandby, &s.database, &s.started}
		if _, err := pgx.ForEachRow(rows, scan, func() error { return nil }); err != nil {
			return err
		}
		if err := errors.Join(s.check(), s.checkFailover(r.config.SlotFailover)); err != nil {
			return err
		}
		if err := r.publications.ensure(ctx, db); err != nil {
			return err
		}
		more, err := r.optional.readable(ctx, db, r.config.Slot)
		r.reading = append(slices.Clone(r.config.Publications), more...)
		return err
	})
	return s, err
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

// identify finds out whether the cluster at the other end continues what was
// read; if not, subscribers are owed a resync.
func (r *Reader) identify(ctx context.Context, conn *pgconn.PgConn, instance string) (system, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	now, err := identify(ctx, conn)
	now.instance = instance
	if err != nil || !r.begun {
		return now, err
	}
	was := r.lineage
	was.complete, was.timeline = r.progress.received(), max(was.timeline, r.progress.seenTimeline())
	code, err := was.continues(now, func(timeline int32) (wal.LSN, error) {
		return timelineEnd(ctx, conn, now.timeline, timeline)
	})
	if code != "" {
		r.owed = code
	}
	return now, err
}

// prepareSlot makes sure that there is a slot that can be read. One that is
// lost beyond repair is replaced, and subscribers are owed a resync.
func (r *Reader) prepareSlot(ctx context.Context, conn *pgconn.PgConn, s server) error {
	slot, err := r.findSlot(ctx)
	if err != nil {
		return err
	}
	if slot != nil {
		if err := slot.refuse(s.database); err != nil {
			return err
		}
		why, lost := slot.lost()
		if lost {
			r.renew = changelog.CodeSlotLost
		}
		if r.renew == "" {
			return r.keepFailover(ctx, conn, slot, s.isLed)
		}
		r.logger.Error("slot cannot be read any further and is made anew, subscribers have to resync",
			"reason", r.renew, "why", why, "wal_status", slot.WALStatus, "confirmed", slot.Confirmed.String())
		if err := r.whenFree(ctx, s.isLed, func() error { return r.dropSlot(ctx) }); err != nil {
			return err
		}
	} else if r.begun && r.renew == "" {
		r.renew = changelog.CodeSlotMissing
		r.logger.Error("slot was dropped and is made anew, subscribers have to resync", "reason", r.renew)
	} else if !r.begun {
		r.owed = changelog.CodeSlotMissing // for clients of an earlier run; on a first run there are none
	}
	return r.createSlot(ctx, conn)
}

func (r *Reader) findSlot(ctx context.Context) (slot *Slot, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	err = r.control.use(ctx, func(db querier) error {
		slot, err = findSlot(ctx, db, r.config.Slot)
		return err
	})
	return slot, err
}

func (r *Reader) dropSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	return r.control.use(ctx, func(db querier) error { return dropSlot(ctx, db, r.config.Slot) })
}

func (r *Reader) createSlot(ctx context.Context, conn *pgconn.PgConn) error {
	creator := slotCreator{
		name: r.config.Slot, failover: r.config.SlotFailover,
		limit: r.timing.slotCreation, tell: r.timing.creationTell, log: r.logger,
	}
	err := r.control.use(ctx, func(db querier) error {
		_, err := creator.create(ctx, conn, db)
		return err
	})
	if err != nil {
		return err
	}
	if r.renew != "" {
		r.metrics.recreated.WithLabelValues(r.renew).Inc()
		if r.owed == "" { // else it is the server that changed, and the slot with it
			r.owed = r.renew
		}
		r.renew = ""
	}
	return nil
}

// agree fixes the history that the stream belongs to and returns where the
// stream starts. The slot is ours by now, so its row does not change any more.
func (r *Reader) agree(ctx context.Context, now system) (wal.LSN, error) {
	slot, err := r.findSlot(ctx)
	if err != nil {
		return 0, err
	}
	if slot == nil || slot.Confirmed == 0 {
		return 0, fmt.Errorf("read position of slot %q: it has none", r.config.Slot)
	}
	received := r.progress.received()
	if r.begun && r.owed == "" && slot.Confirmed > received {
		r.owed = changelog.CodeSlotAdvanced
	}
	if r.begun && r.owed == "" {
		r.lineage.timeline, r.lineage.instance = now.timeline, now.instance
		r.log.Refill(now.end)
		return slot.Confirmed, nil
	}
	history := changelog.History{System: now.id, Timeline: now.timeline, Slot: r.config.Slot}
	if r.begun {
		history.Slot += "@" + slot.Confirmed.String() // tells the generations apart
		r.logger.Error("history does not continue, subscribers have to resync", "reason", r.owed,
			"received", received.String(), "start", slot.Confirmed.String(), "timeline", now.timeline)
	}
	r.log.Begin(history, slot.Confirmed, r.owed)
	r.log.Refill(now.end)
	r.progress.begin(slot.Confirmed)
	r.lineage = lineage{system: now.id, timeline: now.timeline, instance: now.instance}
	r.begun, r.owed = true, ""
	return slot.Confirmed, nil
}

// whenFree runs try until the slot is not in use by somebody else, for a
// while: after a stall of the network the server needs its time-out to notice
// that our former connection is dead.
func (r *Reader) whenFree(ctx context.Context, leader bool, try func() error) error {
	var first *SlotHolder
	deadline := time.Now().Add(r.timing.slotGrace)
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := try()
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "55006" {
			return err
		}
		slot, e := r.findSlot(ctx)
		if e != nil {
			return e
		}
		if slot != nil && slot.Holder != nil {
			if first == nil {
				first = slot.Holder
				r.logger.Warn("slot is in use, waiting", "holder", first.String(), "at_most", r.timing.slotGrace)
			}
			if leader && first.Application == r.application {
				r.terminate(ctx, slot.Holder)
			}
			if time.Now().After(deadline) || slot.Holder.lives(first) {
				f := slotInUse(r.config.Slot, slot.Holder.String())
				f.err = err
				return f
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// lives reports that the holder has answered the server since it was first
// seen: it is not the remains of a connection that is gone.
func (h *SlotHolder) lives(first *SlotHolder) bool {
	return h.PID == first.PID && !h.replied.IsZero() && h.replied.After(first.replied)
}

// terminate ends a walsender of our own that has outlived its connection. It
// is no other server's: the name has our instance, and we hold the lock.
func (r *Reader) terminate(ctx context.Context, h *SlotHolder) {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	err := r.control.use(ctx, func(db querier) error {
		_, err := db.Exec(ctx, `select pg_terminate_backend($1)`, h.PID)
		return err
	})
	if err != nil {
		r.logger.Warn("stale walsender could not be ended", "pid", h.PID, "err", err)
	}
}
