package channels

import (
	"container/list"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
)

// bookmarkKey names a topic as one client has it. The subject belongs to it: who
// comes with the client_id of another finds nothing of theirs.
type bookmarkKey struct {
	Client  string // client_id
	Topic   string // with the prefix "realtime:"
	Private bool
	Role    string
	Sub     string
}

// bookmark is what a client is known to have received of a topic.
type bookmark struct {
	bookmarkKey
	bindings fingerprint
	proven   changelog.Standing // it has everything up to here; zero if nothing is known
	listened uint64             // and all broadcasts up to this number; 0 if nothing is known
	owed     bool               // it was told, or is to be told, that it missed something unknown
	kept     bool               // from an earlier run, and not used since
	confirms bool               // it has answered since it joined last

	owner *channel      // nil while the client is away
	left  time.Time     // since when it is
	place *list.Element // among those who are away
}

// fingerprint tells sets of bindings apart.
type fingerprint [16]byte

// fingerprintOf covers what bindings select, not where they resume.
func fingerprintOf(bindings []protocol.Binding) (f fingerprint) {
	var texts []string
	for i := range bindings {
		b := &bindings[i]
		texts = append(texts, fmt.Sprintf("%q %q %q %q %q %t %t %t", b.Event, b.Schema, b.Table, b.Filter, b.Select, b.Int8AsString, b.Snapshot, b.View))
	}
	slices.Sort(texts)
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	copy(f[:], sum[:])
	return f
}

// size is about what a bookmark weighs, in bytes.
func (b *bookmark) size() int {
	return 400 + len(b.Client) + len(b.Topic) + len(b.Role) + len(b.Sub)
}

// memory is what is known of a client that joins.
type memory uint8

const (
	fresh      memory = iota // it was not here before
	remembered               // it was, and what it has is known
	forgotten                // it may have been, or was told so and has not confirmed it
)

// bookmarks holds those of the clients that are here, and of those that are
// away, bounded in number, bytes and time. It is not safe for concurrent use.
type bookmarks struct {
	limit int           // of clients' topics that are away
	bytes int           // of these
	keep  time.Duration // how long they may be away

	byKey map[bookmarkKey]*bookmark
	away  *list.List // of *bookmark, the longest away first
	size  int        // of those away, in bytes
	// blind is until when a client that is not known may have been here before:
	// bookmarks were lost.
	blind time.Time
}

func newBookmarks(limit, bytes int, keep time.Duration) *bookmarks {
	return &bookmarks{limit: limit, bytes: bytes, keep: keep, byKey: map[bookmarkKey]*bookmark{}, away: list.New()}
}

// take gives the client's bookmark to a channel, from another one that still has
// it: the newest is the client.
func (s *bookmarks) take(key bookmarkKey, bindings fingerprint, owner *channel, now time.Time) (*bookmark, memory) {
	s.expire(now)
	b := s.byKey[key]
	known := b != nil
	if !known {
		b = &bookmark{bookmarkKey: key}
		s.byKey[key] = b
	}
	s.recall(b)
	changed := b.bindings != bindings
	lost := (!known || changed && b.kept) && now.Before(s.blind)
	b.owner, b.bindings, b.kept, b.confirms = owner, bindings, false, false
	switch {
	case known && !changed && b.owed, lost:
		b.proven, b.listened, b.owed = changelog.Standing{}, 0, true
		return b, forgotten
	case known && !changed && (b.proven != (changelog.Standing{}) || b.listened > 0):
		return b, remembered
	}
	b.proven, b.listened, b.owed = changelog.Standing{}, 0, false
	return b, fresh
}

// start notes from where on a channel that is new gets everything: it is owed
// that, whether it has heard of it or not.
func (b *bookmark) start(owner *channel, at changelog.Standing) {
	if b.owner != owner || b.owed || b.proven != (changelog.Standing{}) {
		return
	}
	b.proven = at
	b.owed = at == (changelog.Standing{})
}

// prove notes what the owner has received.
func (b *bookmark) prove(owner *channel, at changelog.Standing, listened uint64) {
	if b.owner != owner {
		return
	}
	b.confirms = true
	if at != (changelog.Standing{}) {
		b.proven, b.owed = at, false
	}
	if listened > 0 {
		b.listened, b.owed = listened, false
	}
}

// release keeps the bookmark of a client that has gone.
func (s *bookmarks) release(b *bookmark, owner *channel, now time.Time) {
	if b.owner != owner {
		return
	}
	b.owner, b.left = nil, now
	s.store(b)
	s.bound(now)
}

// discard forgets the bookmark of a client that does not want the topic any
// more. One that has not confirmed its join yet may only be impatient: it leaves
// when the reply comes too late, and joins again.
func (s *bookmarks) discard(b *bookmark, owner *channel) {
	if b.owner == owner && b.confirms {
		b.owner = nil
		delete(s.byKey, b.bookmarkKey)
	}
}

// rename follows a channel to another subject.
func (s *bookmarks) rename(b *bookmark, owner *channel, role, sub string) {
	if b.owner != owner || b.Role == role && b.Sub == sub {
		return
	}
	delete(s.byKey, b.bookmarkKey)
	b.Role, b.Sub = role, sub
	if old := s.byKey[b.bookmarkKey]; old != nil {
		s.recall(old)
		old.owner = nil
	}
	s.byKey[b.bookmarkKey] = b
}

// store puts a bookmark among those away.
func (s *bookmarks) store(b *bookmark) {
	b.place = s.away.PushBack(b)
	s.size += b.size()
}

// recall takes a bookmark from among those away.
func (s *bookmarks) recall(b *bookmark) {
	if b.place != nil {
		s.away.Remove(b.place)
		s.size -= b.size()
		b.place = nil
	}
}

// bound drops those that are away longest. Their clients cannot be told from new
// ones for as long as they would have been kept.
func (s *bookmarks) bound(now time.Time) {
	for s.away.Len() > s.limit || s.size > s.bytes {
		s.drop()
		s.blind = now.Add(s.keep)
	}
}

// expire drops those whose time is over.
func (s *bookmarks) expire(now time.Time) {
	for e := s.away.Front(); e != nil && now.Sub(e.Value.(*bookmark).left) > s.keep; e = s.away.Front() {
		s.drop()
	}
}

func (s *bookmarks) drop() {
	b := s.away.Front().Value.(*bookmark)
	s.recall(b)
	delete(s.byKey, b.bookmarkKey)
}
