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
	record  *record // guarded by the lock of clients, as all that is in it
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

// prove notes what the client has received.
func (b *Bookmark) prove(at changelog.Standing, heard uint64) {
	b.update(func(_ *records, r *record) { r.prove(at, heard) })
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
