package policy

import (
	"strconv"
	"strings"
	"sync"
	"time"
)

// history is what is known of the objects that access depends on: how they were last
// seen, and since when they are so. It outlives the Relations and roles that it was
// read for, as rows may be older than these.
type history struct {
	apart time.Duration // looks that are closer follow upon each other

	mu      sync.Mutex
	objects map[dependency]*object
	looks   []pastLook    // in the order of time
	version uint64        // counts changes of what is kept over restarts
	changed chan struct{} // has a token if there were any
}

// object is what is known of one object.
type object struct {
	found
	trace      uint64    // of what has changed it without its fingerprint, see found.trace
	settled    uint32    // transactions from it on have begun after the last change
	since      []span    // one, or none if it has been so for all rows
	at         time.Time // when it was last seen so
	seen       snapshot  // of that time
	isRestored bool      // by an earlier run, and not seen since: it has no more than its fingerprint and its trace
}

// pastLook is what is kept of a look.
type pastLook struct {
	at       time.Time
	snapshot snapshot
}

// Looks that are closer than pastApart are kept as one, the later. pastMost of them
// reach back for more than a resume window by default.
const (
	pastApart = 100 * time.Millisecond
	pastMost  = 2048
)

// mostObjects is how many objects are known. Beyond that all are forgotten, and what is
// not looked at does not come back.
const mostObjects = 100_000

func newHistory(accessAge time.Duration) *history {
	return &history{apart: 4 * accessAge, objects: map[dependency]*object{}, changed: make(chan struct{}, 1)}
}

// look takes in what a look has seen.
func (h *history) look(s *sight, of wanted) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for d := range of {
		if d.decidesAccess() {
			h.learn(s, d)
		}
	}
	n := len(h.looks)
	if n > 1 && h.looks[n-1].at.Sub(h.looks[n-2].at) < pastApart {
		h.looks = h.looks[:n-1]
	}
	if len(h.looks) >= pastMost {
		h.looks = append(h.looks[:0], h.looks[pastMost/4:]...)
	}
	h.looks = append(h.looks, pastLook{s.at, s.snapshot})
}

// force takes in what was read of a relation, and says since when all of it is as it is.
func (h *history) force(s *sight, relation uint32, access []dependency) (f force) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range access {
		for _, since := range h.learn(s, d) {
			if d != (dependency{dependAccess, relation}) && since.isAnnounced() {
				since = span{at: since.at} // a change of another object announces nothing of this table
			}
			f.and(since)
		}
	}
	return f
}

// learn compares what the catalog says of an object with what it said before, and
// returns since when it is so. h.mu must be held.
//
// That it says the same means that nothing has changed between, however long that
// was: the fingerprints are of catalog rows, and a row that was changed and changed
// back is another one. Grants and the switches of row-level security are compared by
// what they say while walcast looks at them all the time, so that of them an absence
// shorter than the time between two looks goes unnoticed.
func (h *history) learn(s *sight, d dependency) []span {
	now, there := s.of(d)
	was := h.objects[d]
	switch {
	case !there:
		delete(h.objects, d)
		return []span{{at: s.snapshot}}
	case was != nil && !was.isRestored && s.snapshot.isBefore(&was.seen): // somebody has read later, and was faster
		if was.print == now.print {
			return was.since
		}
		return []span{{at: s.snapshot}}
	case was == nil:
		was = h.add(d, &object{since: h.first(s, d, now), settled: s.snapshot.next})
	case !was.isAs(now):
		was.since, was.settled = []span{h.change(s, was, d, now)}, s.snapshot.next
		h.note()
	case was.isRestored:
		was.settled = s.snapshot.next
	case was.more != now.more:
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
	h.note()
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
	return o.print == now.print && (!o.isRestored || o.trace == now.trace())
}

// first is since when an object is as it is that is seen for the first time, if its
// catalog rows themselves tell: what was deleted from the catalog leaves nothing there.
func (h *history) first(s *sight, d dependency, now found) []span {
	switch {
	case !now.isDated:
		return nil
	case d.kind == dependAccess && now.isAsMade():
		return []span{{at: snapshot{oldest: now.newest, next: now.newest + 1}, order: byCreation, newest: now.newest}}
	case s.heldAge > 0 && int32(now.newest-s.held) < 0:
		// All that slots have still to read is of transactions that had not ended
		// when this one had.
		return []span{{at: snapshot{oldest: s.held, next: s.held}}}
	}
	var before *pastLook
	for i := range h.looks {
		l := &h.looks[i]
		if int32(now.newest-l.snapshot.oldest) < 0 { // it may be a subtransaction of one that was under way
			return []span{h.between(before, l.snapshot, l.at, d, now)}
		}
		before = l
	}
	return []span{h.between(before, s.snapshot, s.at, d, now)}
}

// between is a span that begins between two looks, of which the first may be missing.
func (h *history) between(before *pastLook, after snapshot, at time.Time, d dependency, now found) span {
	switch {
	case before == nil:
		return span{at: after, order: byStream, newest: now.newest}
	case !h.follows(before, at, d) || int32(now.newest-before.snapshot.next) < 0:
		return span{at: after}
	}
	in := span{at: after, order: byRelation, newest: now.newest}
	if made, ok := now.made(); ok && int32(made-before.snapshot.next) >= 0 {
		in.order = byTransaction
	}
	return in
}

// follows reports whether rows between two looks may be told apart by an object.
func (h *history) follows(before *pastLook, at time.Time, d dependency) bool {
	return d.kind == dependAccess && at.Sub(before.at) < h.apart
}

// change is since when an object is as it is that was seen before, and was different.
func (h *history) change(s *sight, was *object, d dependency, now found) span {
	before := &pastLook{was.at, was.seen}
	traced := now.isDated && int32(now.newest-was.seen.next) >= 0
	gone := now.gone(was.found)
	switch {
	case was.isRestored:
	case traced && gone == 0:
		return h.between(before, s.snapshot, s.at, d, now)
	case !traced && gone == 1 && h.follows(before, s.at, d):
		return span{at: s.snapshot, order: byAnnouncement, newest: was.seen.next - 1, settled: was.settled}
	}
	return span{at: s.snapshot} // it may have happened at any time between
}

// forget drops all that is known. It is of another server, whose transactions are not
// those of this one.
func (h *history) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.objects)
	h.looks = nil
	h.note()
}

// isAhead reports whether a look has seen transactions that had not begun for a sight.
func (h *history) isAhead(s *sight) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.looks)
	return n > 0 && int32(s.snapshot.next-h.looks[n-1].snapshot.next) < 0
}

// adopt takes in what an earlier run has left. What was seen since is newer.
func (h *history) adopt(restored map[dependency]object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for d, o := range restored {
		if h.objects[d] == nil {
			h.objects[d] = &o
		}
	}
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

// decidesAccess reports whether access may depend on objects of the kind.
func (d dependency) decidesAccess() bool { return d.kind != DependRelation && d.kind != dependRest }

// found is what a sight has of an object.
type found struct {
	print   int64
	newest  uint32 // the transaction that wrote the newest of its catalog rows, if isDated
	isDated bool
	more    string // see sightSQL
}

// oldest is the age at which rows of the catalog count as older than all transactions.
// Those that were there from the beginning have the greatest age there is.
const oldest = 1 << 30

// of returns what a sight has of an object; there is false if the database does not
// have it.
func (s *sight) of(d dependency) (f found, there bool) {
	print, there := s.prints[d]
	age, isDated := s.ages[d]
	return found{print, s.latest - uint32(min(age, oldest)), isDated, s.more[d]}, there
}

// isAsMade reports whether all catalog rows of a relation are of the transaction that
// has made it: before it there was no row.
func (f found) isAsMade() bool {
	made, ok := f.made()
	return ok && made == f.newest
}

// made returns the transaction that has made a relation. It is not ok of other objects.
func (f found) made() (xid uint32, ok bool) {
	parts := strings.SplitN(f.more, ";", 3)
	if len(parts) != 3 {
		return 0, false
	}
	id, err := strconv.ParseUint(parts[1], 10, 32)
	return uint32(id), err == nil
}

// gone counts what has gone of an object, of that which leaves no trace when it goes.
func (f found) gone(was found) (n int) {
	left := map[string]bool{}
	for part := range strings.SplitSeq(f.fleeting(), ",") {
		left[part] = true
	}
	for part := range strings.SplitSeq(was.fleeting(), ",") {
		if part != "" && !left[part] {
			n++
		}
	}
	return n
}

// fleeting lists what leaves no trace when it goes.
func (f found) fleeting() string {
	if parts := strings.SplitN(f.more, ";", 3); len(parts) == 3 {
		return parts[2]
	}
	return ""
}
