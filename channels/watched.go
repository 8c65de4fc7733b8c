package channels

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"walcast/policy"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// watched is what the right to read private topics depends on, as far as Postgres
// knows, and looks out for changes of it: of rows in the log, if the tables are
// published, and of all else by the looks of package policy.
type watched struct {
	policy  *policy.Policy
	log     *changelog.Log
	changed func()
	begin   chan *changelog.Cursor // for follow to go on with

	tables atomic.Pointer[map[uint32]struct{}] // whose rows count; nil for none

	mu        sync.Mutex
	reads     policy.MessagesReads
	known     bool
	stale     bool
	read      time.Time // when reads was read, or tried to be
	following bool
}

func newWatched(p *policy.Policy, log *changelog.Log, changed func()) *watched {
	return &watched{policy: p, log: log, changed: changed, begin: make(chan *changelog.Cursor, 1)}
}

// refresh reads again what rights depend on, if that is older than age or has
// changed. idle says that nobody has such a right now. Without an answer what was
// known is gone by.
func (w *watched) refresh(ctx context.Context, age time.Duration, idle bool) {
	if idle {
		w.tables.Store(nil)
		w.age()
		return
	}
	if !w.isDue(now(), age) {
		return
	}
	cursor := w.log.Follow() // first: what commits after the tables are read counts
	reads, err := w.policy.MessagesReads(ctx)
	if err != nil {
		return // everybody is asked in turn all the same
	}
	if w.learn(reads, cursor) { // some were asked before anybody looked out for changes
		w.changed()
	}
}

func (w *watched) isDue(now time.Time, age time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stale && now.Sub(w.read) < age {
		return false
	}
	w.stale, w.read = false, now
	return true
}

// age has the next refresh read.
func (w *watched) age() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stale = true
}

// learn takes in what rights depend on, and has follow begin if it does not follow
// yet. It reports whether there is something that was not looked at before.
func (w *watched) learn(reads policy.MessagesReads, cursor *changelog.Cursor) (news bool) {
	tables := map[uint32]struct{}{}
	for _, oid := range reads.Tables {
		tables[oid] = struct{}{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	isNew := func(known []uint32) func(uint32) bool {
		return func(oid uint32) bool { return !slices.Contains(known, oid) }
	}
	news = !w.known || !w.following || w.reads.Relation != reads.Relation ||
		slices.ContainsFunc(reads.Tables, isNew(w.reads.Tables)) || slices.ContainsFunc(reads.Functions, isNew(w.reads.Functions))
	w.reads, w.known = reads, true
	w.tables.Store(&tables)
	if !w.following {
		w.following = true
		w.begin <- cursor // there is room: follow has taken the one before
	}
	return news
}

// noticed takes what a look has found changed.
func (w *watched) noticed(c policy.Changed) {
	if w.concerns(c) {
		w.changed()
	}
}

func (w *watched) concerns(c policy.Changed) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	isOurs := func(oid uint32) bool { return oid == w.reads.Relation || slices.Contains(w.reads.Tables, oid) }
	isOurFunction := func(oid uint32) bool { return slices.Contains(w.reads.Functions, oid) }
	if !w.known || !c.Rest && !slices.ContainsFunc(c.Relations, isOurs) && !slices.ContainsFunc(c.Functions, isOurFunction) {
		return false
	}
	w.stale = true
	return true
}

// follow looks out for changed rows until ctx is done. It reads the log only while
// there are tables that count, and nobody waits for it.
func (w *watched) follow(ctx context.Context) error {
	for {
		var cursor *changelog.Cursor
		select {
		case <-ctx.Done():
			return nil
		case cursor = <-w.begin:
		}
		for !w.rests() {
			changes, err := cursor.Next(ctx, 0)
			var resync *changelog.ResyncError
			switch {
			case errors.As(err, &resync): // some may be among what is missing
				w.changed()
			case err != nil:
				return nil
			case w.touched(changes):
				w.changed()
			}
		}
	}
}

// rests ends following where nobody has a right that could change.
func (w *watched) rests() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.following = w.tables.Load() != nil
	return !w.following
}

// touched reports whether a row of a table that counts is among the changes.
func (w *watched) touched(changes []*wal.Change) bool {
	tables := w.tables.Load()
	if tables == nil || len(*tables) == 0 {
		return false
	}
	var last *wal.Relation // mostly the one before
	for _, c := range changes {
		if c.Relation == nil || c.Relation == last {
			continue
		}
		last = c.Relation
		if _, counts := (*tables)[last.OID]; counts {
			return true
		}
	}
	return false
}
