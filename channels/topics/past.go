package topics

import (
	"bytes"
	"container/list"
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
	allBytes   = 32 << 20 // of broadcasts
	nameBytes  = 32 << 20 // of topics, with their names
	topicCost  = 240      // what a topic takes beside its name: structs, and its part of maps and lists
)

// Past is what was broadcast lately, by clients and over HTTP, to the topics that
// clients with a client_id are on or have left lately, for when they come back.
// Messages from SQL are not in it: a client that comes back reads them from the log. Of
// every other topic it knows at least whether anything was broadcast since a
// client was there. It is safe for concurrent use; topics note under their own
// lock, in their order.
type Past struct {
	window time.Duration
	limit  int         // topics
	began  time.Time   // when the run began
	inUse  atomic.Bool // a client may come back

	mu      sync.Mutex
	number  uint64 // of the newest broadcast
	newest  newest
	byTopic map[Key]*topicPast
	away    list.List // of *topicPast that nobody is on, the longest first
	names   int       // bytes of all topics
	order   []noted   // everything that is kept, the oldest first; some is gone by now
	bytes   int       // of it
}

// topicPast is the past of one topic.
type topicPast struct {
	key  Key
	lost uint64 // number up to which broadcasts are not kept
	kept []said // oldest first
	size int    // of these, in bytes

	here int           // how many members with a client_id there are
	left time.Time     // since when there are none
	away *list.Element // nil while there are
}

func (of *topicPast) cost() int { return topicCost + len(of.key.Name) }

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

// newPast begins with a number that no earlier run has come to: the microseconds
// until now, when the run began, as nobody broadcasts a million times a second. So
// 0 can mean a client that was never here.
func newPast(window time.Duration, limit int, now time.Time) *Past {
	number := uint64(now.UnixMicro())
	return &Past{window: window, limit: limit, began: now, byTopic: map[Key]*topicPast{}, number: number, newest: newNewest(number)}
}

// note keeps a broadcast if anybody may come back for it.
func (p *Past) note(key Key, b protocol.Broadcast, sender string, now time.Time) {
	if !p.inUse.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	p.newest.note(key, p.number)
	of := p.byTopic[key]
	if of == nil {
		return
	}
	p.add(of, said{Number: p.number, At: now, Sender: sender, Broadcast: copied(b)})
	for len(of.kept) > topicCount || of.size > topicBytes {
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
	p.order = nil // so that a silent server holds no room of a busy time
}

func (p *Past) add(of *topicPast, b said) {
	of.kept = append(of.kept, b)
	of.size += b.size()
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
	of.size -= size
	p.bytes -= size
}

// arrive counts a member with a client_id in, until it leaves. It returns what
// was sent to the topic after the number up to which the client has heard it, 0
// for one that is new, and whether some of that is gone. newest is the newest
// number. From here on what is broadcast is kept.
func (p *Past) arrive(key Key, heard uint64, now time.Time) (of *topicPast, missed []said, newest uint64, gap bool) {
	p.inUse.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	lost := p.newest.of(key)
	if of = p.byTopic[key]; of == nil {
		of = p.begin(key)
	}
	if of != nil {
		of.here++
		p.recall(of)
		lost = of.lost
	}
	if heard == 0 {
		return of, nil, p.number, false
	}
	if of != nil {
		for _, b := range of.kept {
			if b.Number > heard {
				missed = append(missed, b)
			}
		}
	}
	return of, missed, p.number, heard < lost
}

// leave counts out a member that arrive has counted in.
func (p *Past) leave(of *topicPast, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byTopic[of.key] != of { // it was forgotten meanwhile
		return
	}
	if of.here--; of.here == 0 {
		p.store(of, now)
	}
}

// begin makes the past of a topic, nil if there is no room for one: its clients
// may be told later that they missed some, and nothing worse.
func (p *Past) begin(key Key) *topicPast {
	of := &topicPast{key: Key{Name: strings.Clone(key.Name), Private: key.Private}, lost: p.newest.of(key)}
	for p.away.Len() > 0 && !p.hasRoom(of) {
		p.forget(p.away.Front().Value.(*topicPast))
	}
	if !p.hasRoom(of) {
		return nil
	}
	p.byTopic[of.key] = of
	p.names += of.cost()
	return of
}

func (p *Past) hasRoom(of *topicPast) bool {
	return len(p.byTopic) < p.limit && p.names+of.cost() <= nameBytes
}

// store puts a topic among those that nobody is on.
func (p *Past) store(of *topicPast, left time.Time) {
	of.left, of.away = left, p.away.PushBack(of)
}

// recall takes a topic from among those that nobody is on.
func (p *Past) recall(of *topicPast) {
	if of.away != nil {
		p.away.Remove(of.away)
		of.away = nil
	}
}

// expire forgets the topics that nobody has been on for the window: what was
// broadcast while they were is as old by now.
func (p *Past) expire(now time.Time) {
	for at := p.away.Front(); at != nil && now.Sub(at.Value.(*topicPast).left) > p.window; at = p.away.Front() {
		p.forget(at.Value.(*topicPast))
	}
}

func (p *Past) forget(of *topicPast) {
	for len(of.kept) > 0 {
		p.dropOldest(of)
	}
	p.recall(of)
	p.names -= of.cost()
	delete(p.byTopic, of.key)
}

// Expire drops what is older than the window.
func (p *Past) Expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	p.trim(now)
}

// heard is the number up to which every broadcast to any topic has been noted, 0
// while nobody may come back.
func (p *Past) heard() uint64 {
	if !p.inUse.Load() {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.number
}

// size is how many topics are known, and what is kept takes up, in bytes.
func (p *Past) size() (topics, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byTopic), p.names + p.bytes + len(p.newest.slots)*8
}
