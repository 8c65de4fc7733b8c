package resume

import (
	"container/list"
	"time"

	"walcast/replication/changelog"
)

// records holds the records of clients that are here, and of clients that are
// away; the latter are bounded in number, bytes and time. It is not safe for
// concurrent use.
type records struct {
	limit    int           // how many records of clients that are away
	maxBytes int           // that these may take
	keep     time.Duration // how long a client may be away
	// rightAge is how long a client that is away is believed to have the right
	// to a private topic; 0 is for ever.
	rightAge func() time.Duration

	known map[ID]*record
	away  *list.List // of *record, those longest away first
	bytes int        // that those away take
	// unsureUntil is until when a client without a record may have been here
	// before: records were lost that would have been kept until then.
	unsureUntil time.Time
	peers       peers
	nodes       *sharing // what the nodes of a cluster tell each other; nil without one
}

func newRecords(limit, maxBytes int, keep time.Duration) *records {
	return &records{
		limit: limit, maxBytes: maxBytes, keep: keep, known: map[ID]*record{}, away: list.New(),
		rightAge: func() time.Duration { return 0 },
		peers: peers{
			announcing: announcing{there: map[string]time.Time{}, all: true, news: make(chan struct{}, 1)},
			elsewhere:  newElsewhere(elsewhereBytes, keep),
		},
	}
}

// take gives the client's record to a bookmark. If another bookmark has the
// record it loses it: only the client's newest channel counts. found is what other nodes
// know of one that is not known here.
func (s *records) take(key Key, bindings Fingerprint, owner *Bookmark, found Found, now time.Time) (_ *record, _ Memory, lacks bool) {
	s.expire(now)
	id := key.ID()
	r := s.known[id]
	known := r != nil
	if !known {
		r = &record{Key: key.clone(), id: id}
		s.known[id] = r
	}
	moved := s.peers.elsewhere.take(id.digest())
	if !known || moved {
		s.peers.announce(id.digest(), len(s.known))
	}
	s.recall(r)
	isOld, lacks := r.restored, r.lacks
	if t := found.Told; t != nil && (!known || r.restored && t.supersedes(r)) {
		r.adopt(t, now)
		r.heard, r.lacks, lacks = found.Heard, !found.Quiet || len(found.Missed) > 0, !found.Quiet
		known, isOld = true, !t.Own
		moved = moved || isOld // what the client has had since it was told is not known
	}
	changed := r.bindings != bindings
	isUnsure := s.nodes.isUnsure(now) || s.nodes != nil && !found.Certain || now.Before(s.unsureUntil)
	lost := (!known || changed && isOld) && isUnsure || (!known || changed) && moved
	doubtful := r.Private && r.right.isDoubtful(now, s.rightAge())
	r.owner, r.holder, r.bindings, r.restored, r.confirmed = owner, owner, bindings, false, false
	r.right = right{allowed: now}
	s.change(r)
	switch {
	case known && !changed && (r.resync || doubtful), lost:
		r.forget(true)
		return r, Forgotten, false
	case known && !changed && (r.proven != (changelog.Standing{}) || r.heard > 0 || lacks):
		return r, Remembered, lacks
	}
	r.forget(false)
	return r, Fresh, false
}

// release keeps the record of a client that has gone.
func (s *records) release(r *record, now time.Time) {
	s.store(r, now)
	s.bound(now)
}

// discard forgets the record of a client that leaves the topic for good. A
// client that has confirmed nothing yet may only be impatient: it leaves when
// the reply comes too late, and joins again.
func (s *records) discard(r *record) {
	if r.confirmed {
		s.forget(r)
	}
}

// forget drops a record, be its client here or away.
func (s *records) forget(r *record) {
	s.recall(r)
	r.owner, r.holder = nil, nil
	delete(s.known, r.id)
	s.nodes.gone(r)
}

// rename gives the record to another subject of the same client.
func (s *records) rename(r *record, role, sub string) {
	if r.Role == role && r.Sub == sub {
		return
	}
	delete(s.known, r.id)
	s.nodes.gone(r)
	r.Role, r.Sub = role, sub
	r.id = r.Key.ID()
	if old := s.known[r.id]; old != nil {
		s.recall(old)
		old.owner, old.holder = nil, nil
	}
	s.known[r.id] = r
	s.change(r)
	s.peers.announce(r.id.digest(), len(s.known))
}

// change notes that other nodes are to be told of a record.
func (s *records) change(r *record) { s.nodes.change(r) }

// digests are those of all clients that are known.
func (s *records) digests() []uint64 {
	digests := make([]uint64, 0, len(s.known))
	for id := range s.known {
		digests = append(digests, id.digest())
	}
	return digests
}

// restore takes in a record of an earlier run, unless there is one already.
func (s *records) restore(r *record) {
	if r.id = r.Key.ID(); s.known[r.id] == nil {
		s.known[r.id] = r
		s.store(r, r.left)
	}
}

// clear forgets all clients, those that are here too.
func (s *records) clear() {
	for _, r := range s.known {
		r.owner, r.holder, r.element = nil, nil, nil
	}
	clear(s.known)
	s.away.Init()
	s.bytes = 0
}

// store puts a record among those of clients that are away.
func (s *records) store(r *record, left time.Time) {
	r.owner, r.left = nil, left
	r.element = s.away.PushBack(r)
	s.bytes += r.size()
}

// recall takes a record out of those of clients that are away.
func (s *records) recall(r *record) {
	if r.element != nil {
		s.away.Remove(r.element)
		s.bytes -= r.size()
		r.element = nil
	}
}

// storeAll stores the records of all channels that have not ended yet.
func (s *records) storeAll(now time.Time) {
	for _, r := range s.known {
		if r.owner != nil {
			s.store(r, now)
		}
	}
}

// bound drops the records of clients that are away longest. For as long as
// these would have been kept, such a client cannot be told from a new one.
func (s *records) bound(now time.Time) {
	for s.away.Len() > s.limit || s.bytes > s.maxBytes {
		s.dropOldest()
		s.unsureUntil = now.Add(s.keep)
	}
}

// expire drops the records of clients that have been away for too long.
func (s *records) expire(now time.Time) {
	for e := s.away.Front(); e != nil && now.Sub(e.Value.(*record).left) > s.keep; e = s.away.Front() {
		s.dropOldest()
	}
	s.peers.elsewhere.age(now)
	if s.nodes != nil {
		s.nodes.age(now)
	}
	s.peers.repeat(now, s.keep)
}

func (s *records) dropOldest() {
	s.forget(s.away.Front().Value.(*record))
}
