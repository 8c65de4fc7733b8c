package policy

import (
	"context"
	"maps"
	"runtime"
	"sync"
	"time"
	"weak"

	"walcast/replication/wal"
)

// tables is what is known of relations. A Relation message makes a new Relation and
// so a new entry, exactly in WAL order. The old entry is removed when its Relation is
// garbage collected, as consumers may be at different positions of the log.
type tables struct {
	pg     *postgres
	keeper *keeper
	looks  *watch

	mu    sync.RWMutex
	known map[tableKey]*table
}

// tableKey identifies a Relation without keeping it alive.
type tableKey = weak.Pointer[wal.Relation]

// table is what is known of one relation.
type table struct {
	mu    sync.RWMutex
	roles roles
}

// roles is what is known of one relation, by role.
type roles map[string]*access

// access is what is known of one relation for one role.
type access struct {
	loading chan struct{} // a semaphore: one goroutine at a time reads the catalog

	mu     sync.RWMutex
	loaded time.Time // zero before the first time
	// unconfirmed is set if a look has begun since the catalog was read: it has not compared
	// the view, which was not there yet, and what it has seen of other relations is newer.
	// Nothing goes by the view until the next look.
	unconfirmed bool
	role        *RoleError // why nobody can act as the role; nil if it is usable
	view        View       // without its Relation
	rules       *rules
	epoch       uint32
	// depends is what the facts depend on, and prints the fingerprints when they were
	// read. changed counts how often reading again has made a difference.
	depends dependencies
	prints  prints
	changed int
	since   wal.LSN // see View.Since
	// unexplained is where the WAL was when a change was read that no object shows
	// which access depends on; 0 if there was none.
	unexplained wal.LSN
}

// of returns the entry for a relation and role, which it makes if there is none.
func (t *tables) of(rel *wal.Relation, role string) *access {
	key := weak.Make(rel)
	t.mu.RLock()
	entry := t.known[key]
	t.mu.RUnlock()
	if entry == nil {
		entry = t.add(rel, key)
	}
	entry.mu.RLock()
	a := entry.roles[role]
	entry.mu.RUnlock()
	if a != nil {
		return a
	}
	entry.mu.Lock()
	defer entry.mu.Unlock()
	if a = entry.roles[role]; a == nil {
		a = entry.roles.add(role)
	}
	return a
}

// mostRoles is how many roles are known of a table before add forgets those that
// nobody can act as. Tokens may name any number of these.
const mostRoles = 1000

// add makes the entry of a role.
func (rs roles) add(role string) *access {
	if len(rs) >= mostRoles {
		maps.DeleteFunc(rs, func(_ string, a *access) bool { return a.unfit() })
	}
	a := &access{loading: make(chan struct{}, 1)}
	rs[role] = a
	return a
}

func (t *tables) add(rel *wal.Relation, key tableKey) *table {
	t.mu.Lock()
	defer t.mu.Unlock()
	if entry := t.known[key]; entry != nil {
		return entry
	}
	entry := &table{roles: roles{}}
	t.known[key] = entry
	runtime.AddCleanup(rel, t.forget, key)
	return entry
}

func (t *tables) forget(key tableKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, key)
}

// knownAccess is an entry with its relation and role.
type knownAccess struct {
	relation tableKey
	role     string
	access   *access
}

// all lists the entries.
func (t *tables) all() (all []knownAccess) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for key, entry := range t.known {
		entry.mu.RLock()
		for role, a := range entry.roles {
			all = append(all, knownAccess{key, role, a})
		}
		entry.mu.RUnlock()
	}
	return all
}

// count returns the number of entries whose rows are checked as v says.
func (t *tables) count(v Verdict) (n int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, entry := range t.known {
		entry.mu.RLock()
		for _, a := range entry.roles {
			if r := a.current(); r != nil && r.verdict() == v {
				n++
			}
		}
		entry.mu.RUnlock()
	}
	return n
}

// verdict says how rows are checked by the rules for most subjects.
func (r *rules) verdict() Verdict {
	switch {
	case r.kind == openToAll:
		return Open
	case r.kind == byPolicies && r.compilable:
		return Compiled
	}
	return Ask
}

// current returns the rules as they were last read, or nil if they never were.
func (a *access) current() *rules {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.rules
}

// unfit reports whether nobody can act as the role.
func (a *access) unfit() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.role != nil
}

// fresh returns the view if it was read or confirmed within age.
func (a *access) fresh(now time.Time, age time.Duration) (v View, role *RoleError, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.loaded.IsZero() || a.unconfirmed || now.Sub(a.loaded) >= age {
		return View{}, nil, false
	}
	return a.view, a.role, true
}

// known returns the view as it was last read, whatever its age.
func (a *access) known() (v View, role *RoleError, ok bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.view, a.role, !a.loaded.IsZero() && !a.unconfirmed
}

func (a *access) isConfirmed() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return !a.unconfirmed
}

// settle has the view be used as it is.
func (a *access) settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unconfirmed = false
}

// expire has the catalog read again before the view is used again.
func (a *access) expire() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.loaded = time.Time{}
}

// admit has the catalog read again for all tables if it is now that of another database.
func (t *tables) admit(ctx context.Context, s *sight) error {
	forgot, err := t.keeper.admit(ctx, s)
	if forgot {
		for _, known := range t.all() {
			known.access.expire()
		}
	}
	return err
}

// trusted reports whether the rules of an epoch are the current ones.
func (a *access) trusted(epoch uint32) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.epoch == epoch
}

// confirm records that a look which began at a time found nothing changed.
func (a *access) confirm(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.loaded.IsZero() && a.loaded.Before(at) {
		a.loaded, a.unconfirmed = at, false
	}
}

// differing returns the dependencies whose fingerprints have changed.
func (a *access) differing(found prints) (differing []dependency) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, d := range a.depends {
		if a.prints.of(d) != found.of(d) {
			differing = append(differing, d)
		}
	}
	return differing
}

// dependencies returns what the facts depend on.
func (a *access) dependencies() dependencies {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.depends
}

// changes returns how often reading again has made a difference.
func (a *access) changes() int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.changed
}

// store stores what the catalog said at a time. Rules that are equal to the former
// ones are not replaced, so that what subjects have bound stays valid. It is asked under the
// lock whether a look has begun since: one that begins later finds what is stored. moved
// means that the fingerprints have changed.
func (a *access) store(at time.Time, looks *watch, rel *wal.Relation, f *facts, in force) (moved bool) {
	v, r, role, watched := newView(rel, f), newRules(rel, f), f.unfit(), f.watched()
	v.force, v.Fingerprints = in, newFingerprints(&v, r, f, watched)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.depends {
		moved = moved || a.prints.of(d) != f.sight.prints.of(d)
	}
	if a.rules != nil && (a.rules.text != r.text || !a.view.equal(v) || (a.role == nil) != (role == nil)) {
		a.changed++
		a.since = f.lsn
		if a.view.force.equal(in) {
			a.unexplained = f.lsn
		}
	}
	a.depends, a.prints = watched, f.sight.prints
	switch {
	case a.rules == nil:
		a.rules = r
	case a.rules.text != r.text:
		a.rules = r
		a.epoch++
	}
	v.Epoch, v.Since, v.unexplained = a.epoch, a.since, a.unexplained
	a.loaded, a.unconfirmed, a.role, a.view = at, looks.hasBegunSince(at), role, v
	return moved
}

// unfit returns why nobody can act as the role, or nil.
func (f *facts) unfit() *RoleError {
	switch {
	case !f.role.Known:
		return &RoleError{Role: f.role.Name}
	case !f.role.Settable:
		return &RoleError{Role: f.role.Name, User: f.role.User, member: f.role.Member}
	}
	return nil
}

// load returns a view within age. One caller at a time reads the catalog; the others
// wait and use its result if that is within their age.
func (a *access) load(ctx context.Context, t *tables, rel *wal.Relation, role string, age time.Duration, read catalogReader) (v View, unfit *RoleError, err error) {
	select {
	case a.loading <- struct{}{}:
		defer func() { <-a.loading }()
	case <-ctx.Done():
		return View{}, nil, ctx.Err()
	}
	now := t.pg.now()
	if v, unfit, ok := a.fresh(now, age); ok {
		return v, unfit, nil
	}
	f, err := read(ctx, rel, role)
	if err != nil {
		t.pg.metrics.loads.WithLabelValues("failed").Inc()
		return View{}, nil, err
	}
	if err := t.admit(ctx, &f.sight); err != nil {
		return View{}, nil, err
	}
	t.pg.metrics.loads.WithLabelValues("ok").Inc()
	in := t.keeper.force(&f.sight, rel.OID, f.depends.access(f.relation.RowSecurity))
	if a.store(now, t.looks, rel, f, in) {
		t.pg.generation.Add(1)
	}
	v, unfit, _ = a.known() // a look may have expired it already, and waits to read it again
	return v, unfit, nil
}
