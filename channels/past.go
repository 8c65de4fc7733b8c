package channels

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"walcast/protocol"
	"walcast/replication"
)

// past is what was broadcast to a topic lately, for clients that come back.
type past struct {
	last, lost uint64 // numbers of the newest broadcast, and of the newest that is not kept any more
	kept       []heard
	bytes      int
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
	number  uint64
	bytes   int
}

// newPasts begins with a number that no earlier run has come to, as nobody
// broadcasts a million times a second: now is when the run began.
func newPasts(window time.Duration, limit int, now time.Time) *pasts {
	return &pasts{window: window, limit: limit, byTopic: map[topicKey]*past{}, number: uint64(now.UnixMicro())}
}

// note keeps a broadcast if anybody may come back for it.
func (p *pasts) note(key topicKey, b protocol.Broadcast, sender, id string, now time.Time) {
	if !p.inUse.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.byTopic[key]
	if of == nil {
		return
	}
	p.number++
	h := heard{Number: p.number, At: now, Sender: sender, ID: id, Broadcast: copied(b)}
	of.last = h.Number
	of.kept = append(of.kept, h)
	of.bytes += h.size()
	p.bytes += h.size()
	for len(of.kept) > 0 && (len(of.kept) > pastCount || of.bytes > pastBytes || p.bytes > allBytes || now.Sub(of.kept[0].At) > p.window) {
		p.drop(of)
	}
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
// newest number. From here on the topic has a past. Called with the topic's
// lock held.
func (p *pasts) since(key topicKey, number uint64) (missed []heard, upTo uint64, gap bool) {
	p.inUse.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.byTopic[key]
	if of == nil {
		p.number++ // so that who has heard all of nothing has heard something
		of = &past{last: p.number, lost: p.number}
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
		p.bytes -= of.bytes
		delete(p.byTopic, key)
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
	if c.backlog != nil {
		return 0
	}
	return c.session.hub.pasts.last(c.topic.key)
}

// retell pushes the broadcasts that a client has missed, but not its own, nor
// those that a replay is about to bring. Called with the topic's lock held.
func (c *channel) retell(number uint64) {
	if c.bookmark == nil {
		return
	}
	h := c.session.hub
	missed, upTo, gap := h.pasts.since(c.topic.key, number)
	h.clients.listens(c, upTo)
	if gap {
		at := h.log.Standing()
		c.tellResync(&replication.ResyncError{
			Code: replication.CodeTooOld, Reason: "broadcasts were missed that the server does not keep any more",
			Oldest: h.log.Oldest(), Position: at.Position, History: at.History,
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
