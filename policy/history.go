package policy

import (
	"slices"
	"sync"
	"time"

	"walcast/replication/wal"
)

// history is what is known of the objects that access depends on: how they were last
// seen, and since when they are so. It outlives the Relations and roles that it was
// read for, as rows may be older than these.
type history struct {
	age time.Duration // Config.AccessAge

	mu      sync.Mutex
	objects map[dependency]*object
	looks   []pastLook   // in the order of time
	gone    traceless    // what was last seen of that which leaves no trace
	lost    wal.Snapshot // something has gone before it without a trace
	// trusts is set while nothing is known of the time before the first look, nor that
	// anything has gone since: the catalog's rows are taken for all changes then.
	trusts  bool
	version uint64        // counts changes of what is kept over restarts
	changed chan struct{} // has a token if there were any
}

// object is what is known of one object.
type object struct {
	found
	trace      uint64       // of what has changed it without its fingerprint, see found.trace
	since      span         // since when it is so
	at         time.Time    // when it was last seen so
	seen       wal.Snapshot // of that time
	isRestored bool         // by an earlier run, and not seen since: it has no more than its fingerprint and its trace
}

// pastLook is what is kept of a look.
type pastLook struct {
	at       time.Time
	snapshot wal.Snapshot
}

// traceless is how a sight found what leaves no row in the catalog when it goes.
type traceless struct {
	print int64
	seen  wal.Snapshot
}

// Looks that are closer than pastApart are kept as one, the earlier. pastMost of them
// reach back for more than a resume window by default.
const (
	pastApart = 100 * time.Millisecond
	pastMost  = 2048
)

// followsWithin is within how many access ages what is seen follows upon each other.
const followsWithin = 4

// mostObjects is how many objects are known. Beyond that all are forgotten, and what is
// not looked at does not come back.
const mostObjects = 100_000

// firstOfUsers is the first OID that is not Postgres' own. What is known of its own
// functions and roles is written beside that of others.
const firstOfUsers = 16384

func newHistory(accessAge time.Duration) *history {
	return &history{age: accessAge, objects: map[dependency]*object{}, trusts: true, changed: make(chan struct{}, 1)}
}

// look takes in what a look has seen.
func (h *history) look(s *sight, of wanted) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lose(s)
	for d := range of {
		if d.decidesAccess() {
			h.learn(s, d)
		}
	}
	if n := len(h.looks); n > 0 && s.at.Sub(h.looks[n-1].at) < pastApart {
		return
	}
	if len(h.looks) >= pastMost {
		h.looks = append(h.looks[:0], h.looks[pastMost/4:]...)
		h.trusts = false
	}
	h.looks = append(h.looks, pastLook{s.at, s.snapshot})
}

// force takes in what was read of a relation, and says since when all of it is as it is.
func (h *history) force(s *sight, relation uint32, access []dependency) (f force) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lose(s)
	own := dependency{dependAccess, relation}
	table, _ := s.of(own)
	for _, d := range access {
		since := h.learn(s, d)
		if d != own {
			since.newest = 0 // a change of another object announces nothing of this table
		}
		f.and(since.forTable(table.made()))
	}
	return f
}

// lose notes if something has gone since the last sight that leaves no trace in the
// catalog: of objects that are seen for the first time, looks before that do not tell any
// more that these were the same. h.mu must be held.
func (h *history) lose(s *sight) {
	if h.gone.seen.HasAll(s.snapshot) { // somebody has read later, and was faster
		return
	}
	if h.gone.seen.Next != 0 && h.gone.print != s.traceless {
		h.lost, h.trusts = s.snapshot, false
	}
	h.gone = traceless{s.traceless, s.snapshot}
}

// learn compares what the catalog says of an object with what it said before, and
// returns since when it is so. h.mu must be held.
//
// That it says the same means that nothing has changed between, however long that
// was: the fingerprints are of catalog rows, and a row that was changed and changed
// back is another one. Only of a role's attributes there is nothing but what they are.
func (h *history) learn(s *sight, d dependency) span {
	now, there := s.of(d)
	was := h.objects[d]
	switch {
	case !there:
		delete(h.objects, d)
		return span{at: s.snapshot}
	case was != nil && !was.isRestored && was.seen.HasAll(s.snapshot): // somebody has read later, and was faster
		if was.print == now.print {
			return was.since
		}
		return span{at: s.snapshot}
	case was == nil:
		was = h.add(d, &object{since: h.first(s, d, now)})
	case !was.isAs(now):
		was.since = h.change(s, was, d, now)
		h.note()
	case !was.isRestored && was.identity() != now.identity():
		h.note()
	}
	was.found, was.isRestored = now, false
	was.at, was.seen = s.at, s.snapshot
	return was.since
}

// add keeps an object that was not known.
func (h *history) add(d dependency, o *object) *object {
	if len(h.objects) >= mostObjects {
		clear(h.objects)
	}
	h.objects[d] = o
	if d.oid >= firstOfUsers {
		h.note()
	}
	return o
}

// note has what is known be written.
func (h *history) note() {
	h.version++
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// isAs reports whether an object has not changed.
func (o *object) isAs(now found) bool {
	if o.isRestored {
		return o.print == now.print && o.trace == now.trace()
	}
	return o.print == now.print && !now.wasTouched(o.found)
}

// first is since when an object is as it is that is seen for the first time. Its rows in
// the catalog tell by which transaction the last change of it was that has left any.
func (h *history) first(s *sight, d dependency, now found) span {
	made, isTable := now.made()
	mayHaveLost := d.kind == DependType || now.mayHaveLost()
	switch {
	case s.heldAge > 0 && int32(now.newest-s.held) < 0 && (h.trusts || !mayHaveLost):
		// All that slots have still to read is of transactions that had not ended
		// when this one had.
		held := s.snapshot.Full(s.held)
		return span{at: wal.Snapshot{Least: held, Next: held}}
	case isTable && made == now.newest && !mayHaveLost:
		return span{at: s.snapshot, last: made}
	case h.trusts && (len(h.looks) == 0 || now.isBefore(h.looks[0].snapshot)):
		in := span{at: s.snapshot, last: now.newest}
		if len(h.looks) > 0 && s.snapshot.HasAll(h.looks[0].snapshot) {
			in.at = h.looks[0].snapshot
		}
		return in
	}
	in, seen := span{at: s.snapshot}, s.at
	for i := range h.looks {
		if l := &h.looks[i]; now.isBefore(l.snapshot) && s.snapshot.HasAll(l.snapshot) && l.snapshot.HasAll(h.lost) {
			in.at, seen = l.snapshot, l.at
			break
		}
	}
	if before := h.before(seen); before != 0 && int32(now.newest-before) >= 0 {
		in.last, in.before = now.newest, before
	}
	return in
}

// before returns the first transaction that had not begun at the look before a time, of
// those that are an access age older than it, if there are any. It is 0 if no look was
// shortly before.
func (h *history) before(at time.Time) (next uint32) {
	for i, l := range slices.Backward(h.looks) {
		switch age := at.Sub(l.at); {
		case age <= 0 || age < h.age && i > 0:
			continue
		case age < followsWithin*h.age:
			return uint32(l.snapshot.Next)
		}
		break
	}
	return 0
}

// change is since when an object is as it is that was seen before, and was different. Of
// a table it is known which row announced it again, if it was seen not long ago and nothing
// but the change can have been the reason. A policy that was dropped leaves no transaction.
// For tables that were made since, ids of transactions tell.
func (h *history) change(s *sight, was *object, d dependency, now found) span {
	in := span{at: s.snapshot}
	if was.isRestored || s.at.Sub(was.at) >= followsWithin*h.age {
		return in
	}
	began := uint32(was.seen.Next)
	isTraced := int32(now.newest-began) >= 0
	if isTraced {
		in.last, in.before = now.newest, began
	}
	before, after := was.details(), now.details()
	if d.kind == dependAccess && isTraced && before.announced == after.announced && !before.hasLost(after.policies) {
		in.newest = now.newest
	}
	return in
}

// forget drops all that is known. It is of another server, whose transactions are not
// those of this one.
func (h *history) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.objects)
	h.looks, h.gone, h.lost, h.trusts = nil, traceless{}, wal.Snapshot{}, false
	h.note()
}

// isAhead reports whether transactions were seen that had not begun for a sight.
func (h *history) isAhead(s *sight) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gone.seen.Next > s.snapshot.Next
}

// adopt takes in what an earlier run has left. What was seen since is newer.
func (h *history) adopt(restored map[dependency]object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trusts = false
	for d, o := range restored {
		if h.objects[d] == nil {
			h.objects[d] = &o
		}
	}
}

// hasChanged reports whether what is kept over restarts is of another version.
func (h *history) hasChanged(since uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.version != since
}

// list returns all objects as they are now, and the version that they are of.
func (h *history) list() (all map[dependency]object, version uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all = make(map[dependency]object, len(h.objects))
	for d, o := range h.objects {
		all[d] = *o
	}
	return all, h.version
}
