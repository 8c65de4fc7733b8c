package topics

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"walcast/protocol"
)

// What is kept of one topic, and of all, at most.
const (
	topicCount = 1000
	topicBytes = 1 << 20
	allBytes   = 32 << 20
)

// Past is what was broadcast lately, by clients and over HTTP, to the topics that
// clients with a client_id have joined, for when they come back. Messages from
// SQL are not in it: who comes back reads them from the log. It is safe for
// concurrent use; topics note under their own lock, in their order.
type Past struct {
	window time.Duration
	limit  int         // topics
	inUse  atomic.Bool // somebody may come back

	mu      sync.Mutex
	byTopic map[Key]*topicPast
	order   []noted // everything that is kept, the oldest first; some is gone by now
	number  uint64  // of the newest broadcast
	bytes   int
}

// topicPast is the past of one topic.
type topicPast struct {
	newest uint64 // number of the newest broadcast
	lost   uint64 // number of the newest broadcast that is not kept any more
	kept   []said // oldest first
	bytes  int
}

// said is one broadcast. Numbers grow over all topics.
type said struct {
	Number uint64
	At     time.Time
	Sender string // client_id of the channel it came from, "" for none
	protocol.Broadcast
}

func (b *said) size() int {
	return 200 + len(b.Relay) + len(b.Opaque) + len(b.Payload) + len(b.Meta) + len(b.Event) + len(b.Sender)
}

// noted names one broadcast among those of its topic.
type noted struct {
	of     *topicPast
	number uint64
}

// newPast begins with a number that no earlier run has come to, as nobody
// broadcasts a million times a second: now is when the run began.
func newPast(window time.Duration, limit int, now time.Time) *Past {
	return &Past{window: window, limit: limit, byTopic: map[Key]*topicPast{}, number: uint64(now.UnixMicro())}
}

// note keeps a broadcast if anybody may come back for it.
func (p *Past) note(key Key, b protocol.Broadcast, sender string, now time.Time) {
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
	of.newest = p.number
	p.add(of, said{Number: p.number, At: now, Sender: sender, Broadcast: copied(b)})
	for len(of.kept) > topicCount || of.bytes > topicBytes {
		p.dropOldest(of)
	}
	p.trim(now)
}

// trim drops what is too much or too old, the oldest of all topics first: a topic
// that has fallen silent must not take the room of others.
func (p *Past) trim(now time.Time) {
	for len(p.order) > 0 {
		switch oldest := p.order[0]; {
		case len(oldest.of.kept) == 0 || oldest.of.kept[0].Number != oldest.number: // dropped before
		case p.bytes > allBytes || now.Sub(oldest.of.kept[0].At) > p.window:
			p.dropOldest(oldest.of)
		default:
			return
		}
		p.order[0] = noted{}
		p.order = p.order[1:]
	}
}

func (p *Past) add(of *topicPast, b said) {
	of.kept = append(of.kept, b)
	of.bytes += b.size()
	p.bytes += b.size()
	p.order = append(p.order, noted{of, b.Number})
}

// copied is a broadcast that may be kept: its bytes are those of a read buffer.
func copied(b protocol.Broadcast) protocol.Broadcast {
	b.Relay, b.Opaque = bytes.Clone(b.Relay), bytes.Clone(b.Opaque)
	b.Payload, b.Meta = bytes.Clone(b.Payload), bytes.Clone(b.Meta)
	b.Event = strings.Clone(b.Event)
	return b
}

func (p *Past) dropOldest(of *topicPast) {
	size := of.kept[0].size()
	of.lost = of.kept[0].Number
	of.kept[0] = said{}
	of.kept = of.kept[1:]
	of.bytes -= size
	p.bytes -= size
}

// since returns what was sent to a topic after the number up to which a client
// has heard it, 0 for one that is new, and whether some of that is gone. newest
// is the newest number. From here on the topic has a past.
func (p *Past) since(key Key, heard uint64) (missed []said, newest uint64, gap bool) {
	p.inUse.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.byTopic[key]
	if of == nil {
		of = p.begin(key)
	}
	if heard == 0 {
		return nil, of.newest, false
	}
	for _, b := range of.kept {
		if b.Number > heard {
			missed = append(missed, b)
		}
	}
	return missed, of.newest, heard < of.lost
}

// begin makes the past of a topic. It has a number, so that who has heard all of
// nothing has heard something.
func (p *Past) begin(key Key) *topicPast {
	for other, of := range p.byTopic {
		if len(p.byTopic) < p.limit {
			break
		}
		p.forget(other, of) // any one; its clients are told when they come back
	}
	p.number++
	of := &topicPast{newest: p.number, lost: p.number}
	p.byTopic[key] = of
	return of
}

func (p *Past) forget(key Key, of *topicPast) {
	for len(of.kept) > 0 {
		p.dropOldest(of)
	}
	delete(p.byTopic, key)
}

// newest is the number of a topic's newest broadcast, 0 without a past.
func (p *Past) newest(key Key) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of := p.byTopic[key]; of != nil {
		return of.newest
	}
	return 0
}
