package resume

import (
	"time"

	"walcast/replication/changelog"
)

// Bookmark is what one channel notes of what its client has received. A nil
// Bookmark is that of a client without a client_id, and remembers nothing.
// Neither does a Bookmark whose client has joined the topic again meanwhile.
type Bookmark struct {
	clients *Clients
	client  string

	// The rest, and all in the record, is guarded by the lock of clients.
	record *record
	era    uint64 // grows when pings that were sent before no longer prove anything
}

// Client is the client_id, "" of a nil Bookmark.
func (b *Bookmark) Client() string {
	if b == nil {
		return ""
	}
	return b.client
}

// Start notes from which standing on the channel of a new client gets every
// change. A zero standing means that this is not known yet: if the client comes
// back before it has proven anything, it is told to resync.
func (b *Bookmark) Start(at changelog.Standing) {
	b.update(func(s *records, r *record) {
		r.start(at)
		s.change(r)
	})
}

// Listen notes after which number the channel of a new client gets every
// broadcast.
func (b *Bookmark) Listen(number uint64) {
	b.update(func(s *records, r *record) {
		r.listen(number)
		s.change(r)
	})
}

// prove notes what the client has received, as the pong to a ping of an era
// proves it.
func (b *Bookmark) prove(era uint64, at changelog.Standing, heard uint64) {
	b.update(func(s *records, r *record) {
		if era == b.era {
			r.prove(at, heard)
			s.change(r)
		}
	})
}

// present is the era now. A ping of this era proves what was pushed by the time
// that is read afterwards.
func (b *Bookmark) present() (era uint64) {
	b.update(func(*records, *record) { era = b.era })
	return era
}

// Leave keeps what the client has received when its channel ends.
func (b *Bookmark) Leave(now time.Time) {
	b.update(func(s *records, r *record) { s.release(r, now) })
}

// Discard forgets what the client has received, as it leaves the topic for
// good. A client that has never confirmed its join is not believed.
func (b *Bookmark) Discard() {
	b.update(func(s *records, r *record) { s.discard(r) })
}

// Rename keeps the record under another subject, as the channel has a new
// token.
func (b *Bookmark) Rename(role, sub string) {
	b.update(func(s *records, r *record) { s.rename(r, role, sub) })
}

// Allowed notes when the client was known to have the right to read the topic.
// The channel may have ended by then: if nobody had looked for too long, the right may
// have gone and come back meanwhile, and what was sent is not for the client.
func (b *Bookmark) Allowed(at time.Time) {
	b.keep(func(s *records, r *record) {
		if r.owner == nil && r.right.isDoubtful(at, s.rightAge()) {
			r.right.barred = true
		}
		r.right.allowed = at
		s.change(r)
	})
}

// Bar notes that the client may not read broadcasts, be its channel there or
// not. If it comes back while it is barred it is told to resync, as what was
// sent meanwhile was not for it.
func (b *Bookmark) Bar() {
	b.keep(func(s *records, r *record) {
		r.right.barred = true
		b.era++
		s.change(r)
	})
}

// Admit ends Bar. The client goes on from here; what it has received before
// counts for nothing, as it lacks what was sent meanwhile.
func (b *Bookmark) Admit() {
	b.keep(func(s *records, r *record) {
		r.right.barred = false
		r.forget(true)
		b.era++
		s.change(r)
	})
}

// Forget has the client taken for a new one when it comes back, be its channel
// there now or not.
func (b *Bookmark) Forget() {
	b.keep(func(s *records, r *record) { s.forget(r) })
}

// Holds reports whether the client's record is still this bookmark's, be its
// channel there or not.
func (b *Bookmark) Holds() (holds bool) {
	b.keep(func(*records, *record) { holds = true })
	return holds
}

// keep is update for a channel that may have ended.
func (b *Bookmark) keep(change func(s *records, r *record)) {
	if b == nil {
		return
	}
	b.clients.mu.Lock()
	defer b.clients.mu.Unlock()
	if b.record.holder == b {
		change(b.clients.records, b.record)
	}
}

// update calls change while the lock of clients is held, if the bookmark's
// channel is there and still the client's newest.
func (b *Bookmark) update(change func(s *records, r *record)) {
	if b == nil {
		return
	}
	b.clients.mu.Lock()
	defer b.clients.mu.Unlock()
	if b.record.owner == b {
		change(b.clients.records, b.record)
	}
}
