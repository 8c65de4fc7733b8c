package channels

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// past is what was broadcast to a topic lately, for clients that come back.
type past struct {
	last, lost uint64 // numbers of the newest broadcast, and of the newest that is not kept any more
	kept       []heard
	bytes      int
	relayed    changelog.Standing // the newest message from SQL; older ones are known
	saved      bool               // by an earlier run
}

// heard is one broadcast of the past. Numbers grow over all topics.
type heard struct {
	Number uint64
	At     time.Time
	Sender string // client_id of the channel it came from, "" for none
	ID     string // of a stored message
	protocol.Broadcast
}

func (b *heard) size() int {
	return 200 + len(b.Relay) + len(b.Opaque) + len(b.Payload) + len(b.Meta) + len(b.Event) + len(b.Sender)
}

// What is kept of one topic, and of all, at most.
const (
	pastCount = 1000
	pastBytes = 1 << 20
	allBytes  = 32 << 20
)

// pasts are those of the topics that clients with a client_id have joined. It is
// safe for concurrent use; topics note under their own lock, in their order.
type pasts struct {
	window time.Duration
	limit  int // topics
	inUse  atomic.Bool

	mu      sync.Mutex
	byTopic map[topicKey]*past
	order   []kept // everything that is kept, the oldest first; some is gone by now
	number  uint64
	bytes   int
}

// kept names one broadcast among those of its topic.
type kept struct {
	of     *past
	number uint64
}

// newPasts begins with a number that no earlier run has come to, as nobody
// broadcasts a million times a second: now is when the run began.
func newPasts(window time.Duration, limit int, now time.Time) *pasts {
	return &pasts{window: window, limit: limit, byTopic: map[topicKey]*past{}, number: uint64(now.UnixMicro())}
}

// note keeps a broadcast if anybody may come back for it.
func (p *pasts) note(key topicKey, b protocol.Broadcast, sender string, now time.Time) {
	if !p.inUse.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := p.byTopic[key]; of != nil {
		p.keep(of, heard{At: now, Sender: sender, Broadcast: copied(b)}, now)
	}
}

// noteRelay is note for a message from SQL. It is news unless it is old and
// nobody has waited for it, or it was relayed before.
func (p *pasts) noteRelay(r relay, b protocol.Broadcast, now time.Time) (number uint64, isNews bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.byTopic[r.key]
	switch {
	case of == nil:
		return 0, !r.old
	case r.old && (of.relayed.History.System != r.at.History.System || r.at.Position.Compare(of.relayed.Position) <= 0):
		return 0, false
	}
	of.relayed = r.at
	p.keep(of, heard{At: now, ID: r.ID, Broadcast: copied(b)}, now)
	return of.last, true
}

// keep adds to a past and drops what is too much or too old, the oldest of all
// topics first: a topic that has fallen silent must not take the room of others.
func (p *pasts) keep(of *past, h heard, now time.Time) {
	p.number++
	h.Number = p.number
	of.last = h.Number
	p.add(of, h)
	for len(of.kept) > pastCount || of.bytes > pastBytes {
		p.drop(of)
	}
	for len(p.order) > 0 {
		switch oldest := p.order[0]; {
		case len(oldest.of.kept) == 0 || oldest.of.kept[0].Number != oldest.number: // dropped by itself
		case p.bytes > allBytes || now.Sub(oldest.of.kept[0].At) > p.window:
			p.drop(oldest.of)
		default:
			return
		}
		p.order[0] = kept{}
		p.order = p.order[1:]
	}
}

func (p *pasts) add(of *past, h heard) {
	of.kept = append(of.kept, h)
	of.bytes += h.size()
	p.bytes += h.size()
	p.order = append(p.order, kept{of, h.Number})
}

// copied is a broadcast that may be kept: its bytes are those of a read buffer.
func copied(b protocol.Broadcast) protocol.Broadcast {
	b.Relay, b.Opaque = bytes.Clone(b.Relay), bytes.Clone(b.Opaque)
	b.Payload, b.Meta = bytes.Clone(b.Payload), bytes.Clone(b.Meta)
	b.Event = strings.Clone(b.Event)
	return b
}

func (p *pasts) drop(of *past) {
	size := of.kept[0].size()
	of.lost = of.kept[0].Number
	of.kept[0] = heard{}
	of.kept = of.kept[1:]
	of.bytes -= size
	p.bytes -= size
}

// since returns what a topic was sent after the number up to which a client has
// heard it, 0 for one that is new, and whether some of that is gone. upTo is the
// newest number. From here on the topic has a past: at is where the log is.
// Called with the topic's lock held.
func (p *pasts) since(key topicKey, number uint64, at changelog.Standing) (missed []heard, upTo uint64, gap bool) {
	p.inUse.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.byTopic[key]
	if of == nil {
		p.number++ // so that who has heard all of nothing has heard something
		of = &past{last: p.number, lost: p.number, relayed: at}
		p.room()
		p.byTopic[key] = of
	}
	if number == 0 {
		return nil, of.last, false
	}
	for _, h := range of.kept {
		if h.Number > number {
			missed = append(missed, h)
		}
	}
	return missed, of.last, number < of.lost
}

// room drops the past of any topic when there are too many. Its clients are told
// when they come back.
func (p *pasts) room() {
	for key, of := range p.byTopic {
		if len(p.byTopic) < p.limit {
			return
		}
		p.forget(key, of)
	}
}

func (p *pasts) forget(key topicKey, of *past) {
	for len(of.kept) > 0 {
		p.drop(of)
	}
	delete(p.byTopic, key)
}

// interrupt notes that messages from SQL are missing, on whatever topics; or only
// where an earlier run has left something, since when they are.
func (p *pasts) interrupt(saved bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, of := range p.byTopic {
		if of.saved || !saved {
			p.number++
			of.last, of.lost, of.saved = p.number, p.number, false
		}
	}
}

// last is the number of a topic's newest broadcast, 0 without a past.
func (p *pasts) last(key topicKey) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := p.byTopic[key]; of != nil {
		return of.last
	}
	return 0
}

// listened is the number up to which everything that was broadcast to the
// channel's topic has been pushed.
func (c *channel) listened() uint64 {
	c.topic.mu.Lock()
	defer c.topic.mu.Unlock()
	switch {
	case c.backlog != nil:
		return 0
	case len(c.held) > 0:
		return max(c.held[0].number, 1) - 1
	}
	return c.session.hub.pasts.last(c.topic.key)
}

// codeBroadcasts is the code of a resync that gives up broadcasts and nothing else.
const codeBroadcasts = "broadcasts_missed"

// retell pushes the broadcasts that a client has missed, but not its own, nor
// those that a replay is about to bring. If some are gone the client is told,
// unless a resync is due anyway (told); its row changes go on from at all the
// same. Called with the topic's lock held.
func (c *channel) retell(number uint64, at wal.Position, told bool) {
	if c.bookmark == nil {
		return
	}
	h := c.session.hub
	c.returned = number > 0
	missed, upTo, gap := h.pasts.since(c.topic.key, number, h.log.Standing())
	h.clients.listens(c, upTo)
	if gap && !told {
		c.tellResync(&changelog.ResyncError{
			Code: codeBroadcasts, Reason: "broadcasts were missed that the server does not keep any more",
			From: at, Oldest: at, Position: at,
		})
	}
	for _, b := range missed {
		if b.Sender == c.bookmark.Client && !c.config.self || c.deaf || c.replays(b.ID) {
			continue
		}
		if f := c.session.identity.Version.Broadcast(c.topic.key.name, b.Broadcast); f != nil {
			c.session.out.Push(f)
		}
	}
}

// replays reports whether the stored message is among those that a replay owes.
func (c *channel) replays(id string) bool {
	if c.backlog == nil || id == "" {
		return false
	}
	for _, s := range c.backlog.stored {
		if s.ID == id {
			return true
		}
	}
	return false
}
