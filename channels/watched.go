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

// watched is the tables and functions that the right to read private topics
// depends on, as far as Postgres knows. It looks out for changes of them: for
// changed rows in the log, if the tables are published, and for everything else
// by the looks of package policy.
type watched struct {
	policy  *policy.Policy
	log     *changelog.Log
	changed func()                 // called when something has changed
	begin   chan *changelog.Cursor // where follow begins to read the log

	tables atomic.Pointer[map[uint32]struct{}] // OIDs of tables whose rows count; nil if follow is not to read the log

	mu        sync.Mutex
	reads     policy.MessagesReads // what rights depend on, valid if known
	known     bool
	stale     bool      // reads has to be read again
	read      time.Time // when reads was last read, or tried to be
	following bool      // follow reads the log
}

func newWatched(p *policy.Policy, log *changelog.Log, changed func()) *watched {
	return &watched{policy: p, log: log, changed: changed, begin: make(chan *changelog.Cursor, 1)}
}

// refresh reads again what rights depend on, if that is older than age or has
// changed. idle says that there are no readers now. If Postgres does not
// answer, what was known before stays.
func (w *watched) refresh(ctx context.Context, age time.Duration, idle bool) {
	if idle {
		w.tables.Store(nil)
		w.markStale()
		return
	}
	if !w.isDue(now(), age) {
		return
	}
	cursor := w.log.Follow() // first, so that no commit after the reading of the tables is overlooked
	reads, err := w.policy.MessagesReads(ctx)
	if err != nil {
		return // readers are asked about in turn all the same
	}
	if w.learn(reads, cursor) { // rights may have changed before their changes were looked out for
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

// markStale has the next refresh read.
func (w *watched) markStale() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stale = true
}

// learn takes in what rights depend on, and has follow begin unless it reads
// the log already. It reports whether something is new that was not looked out
// for before.
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
		w.begin <- cursor // does not block: follow has taken the cursor before
	}
	return news
}

// noticed takes in what a look has found changed.
func (w *watched) noticed(c policy.Changed) {
	if w.concerns(c) {
		w.changed()
	}
}

// concerns reports whether a change may change a right to read private topics.
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

// follow looks out for changed rows until ctx is done. It reads the log only
// while there are tables whose rows count. The reader of the WAL does not wait
// for it.
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
			case errors.As(err, &resync): // a change may be among the missing ones
				w.changed()
			case err != nil:
				return nil
			case w.touched(changes):
				w.changed()
			}
		}
	}
}

// rests reports whether follow is to stop reading the log, as there are no
// readers.
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
	var last *wal.Relation // changes of one table often follow each other
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
