package resume

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/replication/changelog"
)

// Clients remembers what clients with a client_id have received. It is safe for
// concurrent use.
type Clients struct {
	config   Config
	reason   func() string
	sections []Section
	files    files

	mu      sync.Mutex
	records *records
	// firstRun means that the start found no state file and no marker. If this
	// run has also made the slot it is a new installation, and no client can
	// have been here before. Otherwise the file was lost.
	firstRun bool
	// sharedUntil is until when there may be other servers on the database, of which
	// nothing was heard yet. Not even a new installation knows all clients then.
	sharedUntil time.Time
}

// NewClients remembers no client yet. reason says why the log's history began,
// as changelog.Log.Reason does. The sections are kept in the same state file.
func NewClients(c Config, reason func() string, reg prometheus.Registerer, sections ...Section) *Clients {
	clients := &Clients{
		config: c, reason: reason, sections: sections, files: files{path: c.StateFile, run: rand.Text()},
		records: newRecords(c.Limit, memoryBytes, c.Memory),
	}
	if c.RightAge != nil {
		clients.records.rightAge = c.RightAge
	}
	registerMetrics(reg, clients)
	return clients
}

// Expire forgets the clients that have been away for long enough.
func (c *Clients) Expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records.expire(now)
}

// size is how many topics of clients that are away are remembered, and how many
// bytes they take.
func (c *Clients) size() (topics, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records.away.Len(), c.records.bytes
}

// Take gives a channel that joins the bookmark of its client, and says what the
// client has received. If the client has another channel on the topic, that
// one's bookmark has no effect from now on.
func (c *Clients) Take(k Key, bindings Fingerprint, now time.Time) (*Bookmark, Known) {
	c.begin(now)
	b := &Bookmark{clients: c, client: k.Client}
	slotIsNew := c.slotIsNew()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.firstRun && slotIsNew {
		c.firstRun, c.records.unsureUntil = false, c.sharedUntil
	}
	r, memory := c.records.take(k, bindings, b, now)
	b.record = r
	return b, Known{Memory: memory, Proven: r.proven, Heard: r.heard}
}

// slotIsNew reports whether this run has made the slot. Before there was a slot
// there can have been no clients.
func (c *Clients) slotIsNew() bool { return c.reason() == changelog.CodeSlotMissing }
