package policy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"walcast/replication/wal"
)

// Generation counts the changes of the catalog that were noticed. All answers of one
// generation follow the same rules.
type Generation uint64

// Changed is the objects that Run has seen change, by OID.
type Changed struct {
	Relations []uint32 // relations to which access has changed
	Functions []uint32 // functions that were registered with Depend
	Types     []uint32 // types of columns and policies, or registered with Depend
	// Rest is set when any other object has changed: roles, their membership and
	// settings, schemas, functions. It is looked at for MessagesReads.
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

// watch looks at the catalog. There is one look at a time, which serves all callers
// that wait when it begins.
type watch struct {
	pg     *postgres
	tables *tables
	keeper *keeper
	wake   chan struct{} // has a token if a caller waits

	listed listed // belongs to Run

	mu         sync.Mutex
	runs       bool  // Run is running
	next       *look // the look that has not begun; nil if no caller waits
	running    *look // nil between two
	last       *look // the last look that succeeded
	registered map[dependency]*int64
	listeners  []func(Changed)
}

// look is one look at the catalog.
type look struct {
	began    time.Time
	done     chan struct{}
	snapshot wal.Snapshot // the look saw at least this
	flushed  wal.LSN      // up to where Postgres had flushed its WAL then
	err      error        // why the look failed
}

// seesAll reports whether the look saw all of the transactions.
func (l *look) seesAll(xids []uint32) bool {
	return !slices.ContainsFunc(xids, func(xid uint32) bool { return !shows(l.snapshot, xid) })
}

// Depend has Run look at the given objects too. It returns when their present
// fingerprints are known, so that any later change of them will be noticed.
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

// begins registers an object with the fingerprint that it had when it was read.
func (w *watch) begins(d dependency, print int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.registered[d] == nil {
		w.registered[d] = &print
	}
}

// OnChange has f called with what a look has found changed, before Confirm returns for
// that look. f must not block. OnChange must be called before Run.
func (w *watch) OnChange(f func(Changed)) { w.listeners = append(w.listeners, f) }

// Confirm waits for a look that began after readAt, and returns the generation after
// that look. What was judged in the same generation followed the rules that were in
// force at readAt. Callers that wait when a look begins share it. Run must be
// running. An error means that Postgres could not be asked.
//
// A transaction may change access and rows at once, and the WAL has it before
// Postgres shows it. So a look counts only if it saw the transactions xids, those of
// the changes that were judged. It is an error if Postgres does not show them within
// Config.Timeout.
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
			return 0, errors.New("look at the rules of access: Postgres does not show a transaction that it has committed")
		}
		if err := sleep(ctx, pause); err != nil {
			return 0, err
		}
		readAt = l.began
	}
}

// Flushed is up to where Postgres had flushed its WAL at the last look, or a moment later.
// What was asked of Postgres before that look has seen no transaction that ends behind it,
// but for those that did not wait for their flush (synchronous_commit).
func (w *watch) Flushed() wal.LSN {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		return 0
	}
	return w.last.flushed
}

// glanceMost is how long Glance waits.
const glanceMost = 50 * time.Millisecond

// Glance waits for a look that begins now, but not for long. What it finds of access is
// known then to be no younger than rows that are committed afterwards. Without it there
// may be some that are not judged, right behind a change of access.
func (w *watch) Glance(ctx context.Context) {
	if !w.isWell() {
		return // it would wait in vain
	}
	timer := time.NewTimer(glanceMost)
	defer timer.Stop()
	select {
	case <-w.after(w.pg.now()).done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// hasBegunSince reports whether a look has begun after a time.
func (w *watch) hasBegunSince(at time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs && w.begunAfter(at) != nil
}

// begunAfter is a look that has begun after a time, or nil. w.mu must be held.
func (w *watch) begunAfter(at time.Time) *look {
	for _, l := range []*look{w.last, w.running} {
		if l != nil && l.began.After(at) {
			return l
		}
	}
	return nil
}

// isWell reports whether looks come and succeed.
func (w *watch) isWell() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runs && w.last != nil && w.pg.now().Sub(w.last.began) < 2*w.pg.config.AccessAge
}

// Late reports whether what is known may be older than Config.AccessAge: no look
// that began after since has succeeded yet. The caller then waits for one in
// Confirm before it goes by what is known. It needs no I/O, and is false while Run
// is not running, as everything is read again after that time then.
func (w *watch) Late() (since time.Time, late bool) {
	since = w.pg.now().Add(-w.pg.config.AccessAge)
	w.mu.Lock()
	defer w.mu.Unlock()
	return since, w.runs && (w.last == nil || w.last.began.Before(since))
}

// run says whether Run is running.
func (w *watch) run(running bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs = running
}

// after returns a look that begins after the time.
func (w *watch) after(at time.Time) *look {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.begunAfter(at); l != nil {
		return l
	}
	if w.next == nil {
		w.next = &look{done: make(chan struct{})}
		w.rouse()
	}
	return w.next
}

// rouse has Run look now.
func (w *watch) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// begin returns the look that waiting callers share, and marks it as begun.
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
