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
}

// NewClients remembers no client yet. reason says why the log's first history
// began, as changelog.Log.FirstReason does. The sections are kept in the same state file.
func NewClients(c Config, reason func() string, reg prometheus.Registerer, sections ...Section) *Clients {
	clients := &Clients{
		config: c, reason: reason, files: files{path: c.StateFile, run: rand.Text()},
		records: newRecords(c.Limit, memoryBytes, c.Memory),
	}
	clients.sections = append([]Section{elsewhereSection{clients}}, sections...)
	if c.Shared {
		clients.records.nodes = newSharing(c.Memory)
		clients.sections = append([]Section{copiesSection{clients}}, clients.sections...)
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

// elsewhere is how many topics of clients other servers have announced, and how many
// bytes they take.
func (c *Clients) elsewhere() (topics, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &c.records.peers.elsewhere
	return e.len(), e.bytes()
}

// Meet notes that another server reads the database by a slot of its own, and counts
// as there until a time. begins says that it has just begun to read: what it was told
// before may be lost. isNew says that it was not there.
func (c *Clients) Meet(slot string, begins bool, now, until time.Time) (isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records.peers.meet(slot, begins, now, until)
}

// Elsewhere notes that another server knows clients. One that comes here and is not
// known is told to resync, once. If there are too many to remember, forgotten is
// true, and all that are not known are told, for as long as one may be away.
func (c *Clients) Elsewhere(clients []uint64, now time.Time) (forgotten bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	forgotten = c.records.peers.add(clients, now)
	if forgotten {
		c.firstRun, c.records.unsureUntil = false, now.Add(c.config.Memory)
	}
	return forgotten
}

// News has an element when there may be an Announcement.
func (c *Clients) News() <-chan struct{} { return c.records.peers.news }

// Announcement is what other servers have to be told next, and whether there is
// something: which clients are known here. It may have none.
func (c *Clients) Announcement(now time.Time) (clients []uint64, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records.peers.next(now, c.records.digests)
}

// AnnounceAll has everybody announced again, as an announcement was lost.
func (c *Clients) AnnounceAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records.peers.everybody()
}

// Take gives a channel that joins the bookmark of its client, and says what the
// client has received. If the client has another channel on the topic, that
// one's bookmark has no effect from now on. found is what other nodes know of a client
// that is not known here.
func (c *Clients) Take(k Key, bindings Fingerprint, found Found, now time.Time) (*Bookmark, Known) {
	c.begin(now)
	b := &Bookmark{clients: c, client: k.Client}
	slotIsNew := c.slotIsNew()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trustNewSlot(slotIsNew, now)
	r, memory, lacks := c.records.take(k, bindings, b, found, now)
	b.record = r
	return b, Known{Memory: memory, Proven: r.proven, Heard: r.heard, Lacks: lacks}
}

// trustNewSlot has nobody be taken for known who cannot be, as the slot is new.
func (c *Clients) trustNewSlot(isNew bool, now time.Time) {
	if !c.firstRun || !isNew {
		return
	}
	c.firstRun, c.records.unsureUntil = false, time.Time{}
	c.records.nodes.vouch(now, now)
}

// slotIsNew reports whether this run has made the slot. Before there was a slot
// there can have been no clients.
func (c *Clients) slotIsNew() bool { return c.reason() == changelog.CodeSlotMissing }
