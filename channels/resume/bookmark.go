package resume

import (
	"time"

	"walcast/replication/changelog"
)

// Bookmark is one channel's hold on what its client has received. A nil one, of
// a client that cannot be recognised, remembers nothing, and neither does one
// whose client has joined the topic again meanwhile.
type Bookmark struct {
	clients *Clients
	client  string

	// Guarded by the lock of clients, as all that is in the record.
	record *record
	era    uint64 // counts what makes proofs of before worthless
}

// Client is the client_id, "" of a nil bookmark.
func (b *Bookmark) Client() string {
	if b == nil {
		return ""
	}
	return b.client
}

// Start notes from where on the channel gets every change, if its client is new.
// Zero means that this is not known yet: it is told to resync then, should it
// come back before it has proven anything.
func (b *Bookmark) Start(at changelog.Standing) {
	b.update(func(_ *records, r *record) { r.start(at) })
}

// Listen notes after which number the channel gets every broadcast, if its
// client is new.
func (b *Bookmark) Listen(number uint64) {
	b.update(func(_ *records, r *record) { r.listen(number) })
}

// prove notes what the client has received, by a ping of an era.
func (b *Bookmark) prove(era uint64, at changelog.Standing, heard uint64) {
	b.update(func(_ *records, r *record) {
		if era == b.era {
			r.prove(at, heard)
		}
	})
}

// present is the era now. What is read afterwards of how far the channel has been
// served is worth something in it.
func (b *Bookmark) present() (era uint64) {
	b.update(func(*records, *record) { era = b.era })
	return era
}

// Leave keeps what the client has received when its channel ends.
func (b *Bookmark) Leave(now time.Time) {
	b.update(func(s *records, r *record) { s.release(r, now) })
}

// Discard forgets it when the client leaves the topic, unless it has never
// confirmed its join.
func (b *Bookmark) Discard() {
	b.update(func(s *records, r *record) { s.discard(r) })
}

// Rename follows the channel to another subject.
func (b *Bookmark) Rename(role, sub string) {
	b.update(func(s *records, r *record) { s.rename(r, role, sub) })
}

// Allowed notes when the client was seen to have the right to read the topic, of
// a channel that has ended too.
func (b *Bookmark) Allowed(at time.Time) {
	b.keep(func(_ *records, r *record) { r.right.allowed = at })
}

// Bar notes that the client may not read broadcasts, be it here or away. If
// it comes back in this state it has to resync, as nothing that was sent meanwhile
// is for it.
func (b *Bookmark) Bar() {
	b.keep(func(_ *records, r *record) {
		r.right.barred = true
		b.era++
	})
}

// Admit ends Bar. What the client has received before stands for nothing, so that
// it goes on from here.
func (b *Bookmark) Admit() {
	b.keep(func(_ *records, r *record) {
		r.right.barred = false
		r.forget(true)
		b.era++
	})
}

// Forget has the client taken for a new one when it comes back, be it here or away
// now.
func (b *Bookmark) Forget() {
	b.keep(func(s *records, r *record) { s.forget(r) })
}

// Holds reports whether the client's record is still this bookmark's, here or away.
func (b *Bookmark) Holds() (holds bool) {
	b.keep(func(*records, *record) { holds = true })
	return holds
}

// keep is update for a client that may be away.
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

// update calls change, with the lock held, if the bookmark is still its
// client's.
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
