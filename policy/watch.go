package policy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// Generation counts the changes of what is known of the catalog: answers of one
// generation go by the same rules.
type Generation uint64

// Changed is what Run has seen change, by OID.
type Changed struct {
	Relations []uint32 // who may see what of them is another question now
	Functions []uint32 // that were registered with Depend
	Types     []uint32 // of columns and policies, or registered with Depend
	// Rest is all that has no OID here: roles, their membership and settings,
	// schemas, new functions. It is looked at on behalf of MessagesReads.
	Rest bool
}

func (c *Changed) empty() bool {
	return len(c.Relations)+len(c.Functions)+len(c.Types) == 0 && !c.Rest
}

func (c *Changed) add(d dependency) {
	c.Rest = c.Rest || d.kind == dependRest
	of := map[Kind]*[]uint32{DependRelation: &c.Relations, DependFunction: &c.Functions, DependType: &c.Types}[d.kind]
	if of != nil && !slices.Contains(*of, d.oid) {
		*of = append(*of, d.oid)
	}
}

// watch is the looks at the catalog: one at a time, each for all who wait.
type watch struct {
	pg     *postgres
	tables *tables
	wake   chan struct{} // holds one token: somebody waits

	mu         sync.Mutex
	next       *look // not begun yet; nil if nobody waits
	running    *look // nil between two
	last       *look // the last one that succeeded
	registered map[dependency]*int64
	listeners  []func(Changed)
}

// look is one look at the catalog.
type look struct {
	began    time.Time
	done     chan struct{}
	snapshot snapshot // it saw this or more
	err      error    // it did not come about
}

// seesAll reports whether the look saw what transactions have done.
func (l *look) seesAll(xids []uint32) bool {
	return !slices.ContainsFunc(xids, func(xid uint32) bool { return !l.snapshot.sees(xid) })
}

// Depend has Run look at these too. It returns when their present state is
// known, so what is read of them afterwards is of that state or a later one.
func (w *watch) Depend(ctx context.Context, kind Kind, oids ...uint32) error {
	w.register(kind, oids...)
	_, err := w.Confirm(ctx, w.pg.now())
	return err
}

func (w *watch) register(kind Kind, oids ...uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, oid := range oids {
		if d := (dependency{kind, oid}); w.registered[d] == nil {
			w.registered[d] = new(int64)
		}
	}
}

// begins registers what had a fingerprint when it was read.
func (w *watch) begins(d dependency, print int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.registered[d] == nil {
		w.registered[d] = &print
	}
}

// OnChange has f called with what a look has found changed, before Confirm tells
// of it. f must not block. It is to be called before Run.
func (w *watch) OnChange(f func(Changed)) { w.listeners = append(w.listeners, f) }

// Confirm waits for a look that began after readAt, and returns the generation
// then: what was read or judged before readAt in that generation went by the
// rules of that moment. All who wait before a look begins share it. Run must be
// running. An error means that Postgres could not be asked.
//
// A transaction may change access and rows at once, and the WAL has it before
// Postgres shows it. A look counts only if it saw the transactions of the changes
// in question, by Change.XID; for those that Postgres does not show within
// Config.Timeout it is an error.
func (w *watch) Confirm(ctx context.Context, readAt time.Time, xids ...uint32) (Generation, error) {
	late := time.Now().Add(w.pg.config.Timeout)
	for pause := earlyFirst; ; pause = min(2*pause, earlyMost) {
		l := w.after(readAt)
		select {
		case <-l.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if l.err != nil || l.seesAll(xids) {
			return w.pg.Generation(), l.err
		}
		if time.Now().After(late) {
			return 0, errors.New("Postgres does not show a transaction that it has committed")
		}
		if err := sleep(ctx, pause); err != nil {
			return 0, err
		}
		readAt = l.began
	}
}

// after returns a look that begins after the time.
func (w *watch) after(at time.Time) *look {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range []*look{w.last, w.running} {
		if l != nil && l.began.After(at) {
			return l
		}
	}
	if w.next == nil {
		w.next = &look{done: make(chan struct{})}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return w.next
}

// begin takes the look that all who wait share.
func (w *watch) begin(now time.Time) *look {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.next
	if l == nil {
		l = &look{done: make(chan struct{})}
	}
	w.next, w.running = nil, l
	l.began = now
	return l
}

func (w *watch) end(l *look, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = nil
	if l.err = err; err == nil {
		w.last = l
	}
	close(l.done)
}

// idle reports whether there is nothing to look at, and nobody waits.
func (w *watch) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next == nil && len(w.registered) == 0
}

// Run looks at what answers depend on, whenever somebody waits in Confirm and at
// least twice in Config.AccessAge, until ctx is done. What has changed is read
// again at once. While it runs, what has not is read no more.
func (w *watch) Run(ctx context.Context) error {
	ticker := time.NewTicker(max(w.pg.config.AccessAge/2, time.Millisecond))
	defer ticker.Stop()
	var conn *pgx.Conn
	leave := func() {
		if conn != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // it is of no more use either way
		}
		conn = nil
	}
	defer leave()
	for {
		select {
		case <-ctx.Done():
			w.end(w.begin(w.pg.now()), ctx.Err())
			return ctx.Err()
		case <-w.wake:
		case <-ticker.C:
			if w.idle() && w.tables.empty() {
				continue
			}
		}
		l := w.begin(w.pg.now())
		started := time.Now()
		var err error
		if conn == nil {
			conn, err = w.connect(ctx)
		}
		if err == nil {
			l.snapshot, err = w.look(ctx, conn, l.began)
		}
		if err != nil {
			leave()
		}
		w.pg.metrics.looked(err, time.Since(started))
		w.end(l, err)
	}
}

// connect makes a connection for looks alone, so that they never wait for one.
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

// look compares the fingerprints of all that is known with those that it was
// read with, and reads again what differs.
func (w *watch) look(ctx context.Context, conn *pgx.Conn, began time.Time) (seen snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*w.pg.config.Timeout)
	defer cancel()
	known := w.tables.all()
	sight, err := readSight(ctx, conn, w.wanted(known))
	if err != nil {
		return seen, err
	}
	found := sight.prints
	changed := w.compare(found)
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
			return seen, err
		}
	}
	if !changed.empty() {
		w.pg.generation.Add(1) // as for what was read again it has been already
		w.pg.metrics.changes.Inc()
		for _, f := range w.listeners {
			f(changed)
		}
	}
	return sight.snapshot, nil
}

// reread reads what is known of a relation for a role again.
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

// wanted is all whose fingerprints are to be taken, each once.
func (w *watch) wanted(known []knownAccess) *dependencies {
	once := map[dependency]bool{}
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
	var all dependencies
	for d := range once {
		all.add(d)
	}
	return &all
}

// compare finds what has changed of what was registered.
func (w *watch) compare(found prints) (changed Changed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d, last := range w.registered {
		if *last != 0 && *last != found.of(d) {
			changed.add(d)
		}
		*last = found.of(d)
	}
	return changed
}

// of is never 0, which is what is not known yet.
func (ps prints) of(d dependency) int64 {
	if print, ok := ps[d]; ok {
		return print | 1
	}
	return -2
}
