package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// slotKeeper finds, makes and drops the reader's slot, and waits until it is
// free. It belongs to the goroutine in Run.
type slotKeeper struct {
	name        string
	failover    bool   // Postgres' standbys keep the slot too
	application string // application_name of this process' replication connections
	control     *control
	timing      connectTiming
	logger      *slog.Logger
	succession  *succession // whether it is this process that may read the slot
}

// find returns the slot, nil if there is none.
func (k *slotKeeper) find(ctx context.Context) (slot *Slot, err error) {
	ctx, cancel := context.WithTimeout(ctx, k.timing.query)
	defer cancel()
	err = k.control.use(ctx, func(db querier) error {
		slot, err = findSlot(ctx, db, k.name)
		return err
	})
	return slot, err
}

func (k *slotKeeper) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.timing.query)
	defer cancel()
	return k.control.use(ctx, func(db querier) error { return dropSlot(ctx, db, k.name) })
}

// create makes the slot over the replication connection.
func (k *slotKeeper) create(ctx context.Context, conn *pgconn.PgConn) error {
	creator := slotCreator{
		name: k.name, failover: k.failover,
		limit: k.timing.slotCreation, reportEvery: k.timing.creationReport, logger: k.logger,
	}
	return k.control.use(ctx, func(db querier) error { return creator.create(ctx, conn, db) })
}

// ensureFailover makes a slot that exists survive a failover, if that is wanted.
func (k *slotKeeper) ensureFailover(ctx context.Context, conn *pgconn.PgConn, slot *Slot, hasLock bool) error {
	if slot.Failover || !k.failover {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, k.timing.query+k.timing.slotGrace)
	defer cancel()
	return k.whenFree(ctx, hasLock, func() error { return enableFailover(ctx, conn, slot.Name) })
}

// whenFree runs try until the slot is not in use by a former connection of this
// process, for a while: after a stall of the network the server needs its time-out to
// notice that the connection is dead. A slot that another process uses is a fault.
func (k *slotKeeper) whenFree(ctx context.Context, hasLock bool, try func() error) error {
	deadline := time.Now().Add(k.timing.slotGrace)
	told := false
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := try()
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "55006" {
			return err
		}
		slot, e := k.find(ctx)
		if e != nil {
			return e
		}
		if slot != nil && slot.Holder != nil {
			if slot.Holder.Application != k.application || time.Now().After(deadline) {
				f := slotInUse(k.name, slot.Holder.String())
				f.err = err
				return f
			}
			if !told {
				told = true
				k.logger.Warn("slot is in use by a former connection of this process, waiting", "holder", slot.Holder.String(), "at_most", k.timing.slotGrace)
			}
			if hasLock {
				k.terminate(ctx, slot.Holder)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// terminate ends a walsender of this process that has outlived its connection.
// It cannot be another process's: application_name has the name of this run of
// walcast, which also has the slot lock.
func (k *slotKeeper) terminate(ctx context.Context, h *SlotHolder) {
	ctx, cancel := context.WithTimeout(ctx, k.timing.query)
	defer cancel()
	err := k.control.use(ctx, func(db querier) error {
		_, err := db.Exec(ctx, `select pg_terminate_backend($1)`, h.PID)
		return err
	})
	if err != nil {
		k.logger.Warn("stale walsender could not be ended", "pid", h.PID, "err", err)
	}
}

// enableFailover lets standbys keep a slot that exists. No process may be using it.
func enableFailover(ctx context.Context, replication *pgconn.PgConn, name string) error {
	_, err := replication.Exec(ctx, "ALTER_REPLICATION_SLOT "+quoteIdentifier(name)+" (FAILOVER true)").ReadAll()
	if err != nil {
		return fmt.Errorf("enable failover of slot %q: %w", name, err)
	}
	return nil
}
