package channels

import (
	"crypto/rand"
	"sync"
	"time"

	"walcast/replication/changelog"
)

// clients remembers what clients with a client_id have received. It is safe for
// concurrent use. Its lock is the innermost but the log's.
type clients struct {
	log    *changelog.Log
	pasts  *pasts // kept over a restart too
	path   string // of the state file; "" keeps nothing over a restart
	run    string // names this run in the marker
	marked bool   // the marker is there: an unclean end will be noticed

	mu    sync.Mutex
	known *bookmarks
	// virgin means that there was no state at all at the start: a new
	// installation if the slot is new too, else a state that was lost.
	virgin bool
}

// bookmarkBytes bounds what clients that are away may take up.
const bookmarkBytes = 64 << 20

func newClients(c Config, log *changelog.Log, p *pasts) *clients {
	return &clients{log: log, pasts: p, path: c.StateFile, run: rand.Text(), known: newBookmarks(c.ResumeClients, bookmarkBytes, c.ResumeMemory)}
}

// take gives the channel its client's bookmark, before its bindings match.
func (c *clients) take(ch *channel, key bookmarkKey, bindings fingerprint, now time.Time) (changelog.Standing, uint64, memory) {
	// A slot that is made at the first start of all has no clients before it.
	isNew := c.log.Reason() == changelog.CodeSlotMissing
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.virgin && isNew {
		c.virgin, c.known.blind = false, time.Time{}
	}
	b, memory := c.known.take(key, bindings, ch, now)
	ch.bookmark = b
	return b.proven, b.listened, memory
}

// starts notes from where on a channel gets everything, if it is new.
func (c *clients) starts(ch *channel, at changelog.Standing) {
	if ch.bookmark == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ch.bookmark.start(ch, at)
}

// listens notes from where on a channel that is new gets all broadcasts.
func (c *clients) listens(ch *channel, number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := ch.bookmark; b.owner == ch && b.listened == 0 && !b.owed {
		b.listened = number
	}
}

// proves notes what clients have received.
func (c *clients) proves(stands []stand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range stands {
		s.channel.bookmark.prove(s.channel, s.at, s.listened)
	}
}

// leaves keeps the bookmark of a channel that has ended.
func (c *clients) leaves(ch *channel, now time.Time) {
	if ch.bookmark == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.release(ch.bookmark, ch, now)
}

// discards forgets the bookmark of a channel whose client leaves it.
func (c *clients) discards(ch *channel) {
	if ch.bookmark == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.discard(ch.bookmark, ch)
}

// renames follows a channel whose token has changed.
func (c *clients) renames(ch *channel, role, sub string) {
	if ch.bookmark == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.rename(ch.bookmark, ch, role, sub)
}
