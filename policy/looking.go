package policy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// Run looks at what answers depend on, whenever a caller waits in Confirm and at least
// twice in Config.AccessAge, until ctx is done. Facts that have changed are read again
// at once; those that have not stay valid without reading them again.
func (w *watch) Run(ctx context.Context) error {
	ticker := time.NewTicker(max(w.pg.config.AccessAge/2, time.Millisecond))
	defer ticker.Stop()
	var conn *pgx.Conn
	leave := func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // an error changes nothing, the connection is not used again
		}
		conn = nil
	}
	defer leave()
	w.run(true)
	defer w.run(false)
	w.rouse() // what the first look saw is known of tables that come later
	for {
		select {
		case <-ctx.Done():
			w.end(w.begin(w.pg.now()), ctx.Err())
			return ctx.Err()
		case <-w.wake:
		case <-ticker.C:
		}
		l := w.begin(w.pg.now())
		started := time.Now()
		var err error
		if conn == nil {
			conn, err = w.connect(ctx)
		}
		if err == nil {
			l.snapshot, l.flushed, err = w.look(ctx, conn, l.began)
		}
		if err != nil {
			leave()
		}
		w.pg.metrics.looked(err, time.Since(started))
		w.end(l, err)
	}
}

// connect opens a connection for looks alone, so that they never wait for the pool.
func (w *watch) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*w.pg.config.Timeout)
	defer cancel()
	pool := w.pg.pool.Config()
	if pool.BeforeConnect != nil {
		if err := pool.BeforeConnect(ctx, pool.ConnConfig); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, pool.ConnConfig)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "select pg_catalog.set_config('search_path', '"+catalogPath+"', false)"); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return conn, nil
}

// look compares the present fingerprints with those of the last reading, and reads
// again what differs.
func (w *watch) look(ctx context.Context, conn *pgx.Conn, began time.Time) (seen wal.Snapshot, flushed wal.LSN, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*w.pg.config.Timeout)
	defer cancel()
	if err := w.listed.refresh(ctx, conn, began); err != nil {
		return seen, 0, err
	}
	known := w.tables.all()
	wanted := w.wanted(known)
	for _, d := range w.listed.due(began, w.pg.config.AccessAge/4) {
		wanted[d] = true
	}
	sight, err := readSight(ctx, conn, wanted.dependencies())
	if err != nil {
		return seen, 0, err
	}
	if err := w.tables.admit(ctx, sight); err != nil {
		return seen, 0, err
	}
	w.keeper.look(sight, wanted)
	found := sight.prints
	changed := w.compare(wanted, found)
	read := w.tables.readOnce()
	for _, k := range known {
		differing := k.access.differing(found)
		if len(differing) == 0 {
			k.access.confirm(began)
			continue
		}
		rel := k.relation.Value()
		if rel == nil {
			continue
		}
		for _, d := range differing {
			if d.kind == DependType {
				changed.add(d)
			}
		}
		if err := w.reread(ctx, rel, k, read, &changed); err != nil {
			return seen, 0, err
		}
	}
	if !changed.empty() {
		w.pg.generation.Add(1) // load has counted it only for what was read again
		w.pg.metrics.changes.Inc()
		for _, f := range w.listeners {
			f(changed)
		}
	}
	return sight.snapshot, sight.flushed, nil
}

// reread reads the facts of a relation for a role again.
func (w *watch) reread(ctx context.Context, rel *wal.Relation, k knownAccess, read catalogReader, changed *Changed) error {
	before := k.access.changes()
	k.access.expire()
	_, _, err := k.access.load(ctx, w.tables, rel, k.role, 0, read)
	var unreadable *AskError
	if err != nil && !errors.As(err, &unreadable) {
		return err
	}
	if unreadable != nil || k.access.changes() != before {
		changed.add(dependency{DependRelation, rel.OID})
	}
	return nil
}

// wanted is the objects whose fingerprints a look reads, each once.
type wanted map[dependency]bool

func (w *watch) wanted(known []knownAccess) wanted {
	once := wanted{}
	for _, k := range known {
		for _, d := range k.access.dependencies() {
			once[d] = true
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for d := range w.registered {
		once[d] = true
	}
	return once
}

func (w wanted) dependencies() dependencies { return slices.Collect(maps.Keys(w)) }

// compare returns which registered objects have changed, and stores their new
// fingerprints. Those that were registered while the look was taken wait for the next.
func (w *watch) compare(wanted wanted, found prints) (changed Changed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d, last := range w.registered {
		if !wanted[d] {
			continue
		}
		if *last != 0 && *last != found.of(d) {
			changed.add(d)
		}
		*last = found.of(d)
	}
	return changed
}

// of returns the fingerprint of a dependency. It is never 0, which stands for a
// fingerprint that is not known yet.
func (ps prints) of(d dependency) int64 {
	if print, ok := ps[d]; ok {
		return print | 1
	}
	return -2
}
