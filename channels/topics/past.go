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

// Past keeps what was broadcast lately, by clients and over HTTP, for clients
// that come back. It keeps that of topics which clients with a client_id are
// on, or have left lately. Of every other topic it knows whether anything was
// broadcast since a client was there. Messages from SQL are not in it, as a
// client that comes back reads them from the log. It is safe for concurrent
// use; topics call it under their own lock, so that broadcasts are kept in
// their order.
type Past struct {
	window time.Duration
	limit  int // topics
	ownRun
	inUse atomic.Bool // a client with a client_id has joined; without one nothing is kept

	mu      sync.Mutex
	number  uint64 // of the newest broadcast
	newest  newest
	byTopic map[protocol.Topic]*topicPast
	away    list.List // of *topicPast without members, those left longest ago first
	names   int       // bytes that the topics take, without their broadcasts
	order   []noted   // all kept broadcasts, oldest first; some have been dropped by now
	bytes   int       // that the broadcasts take
}

// ownRun is what belongs to this run of the server alone.
type ownRun struct {
	nodes Nodes // nil without a cluster
	began time.Time
	base  uint64                        // its broadcasts have larger numbers
	own   map[protocol.Topic]*topicPast // between Reset and Restored
}

// topicPast is the kept broadcasts of one topic.
type topicPast struct {
	key  protocol.Topic
	lost uint64 // number up to which broadcasts are not kept any more
	kept []said // oldest first
	size int    // bytes of kept

	here int           // members with a client_id
	left time.Time     // when the last of them left
	away *list.Element // in Past.away; nil while there are members
}

func (of *topicPast) cost() int { return topicCost + len(of.key.Name) }

// said is one broadcast. Numbers grow over all topics.
type said struct {
	Number uint64
	At     time.Time
	Sender string // client_id of the channel it came from, "" for none
	protocol.Broadcast
	Origin Origin // zero for one of an earlier run
}

func (b *said) size() int {
	return 200 + len(b.Relay) + len(b.Opaque) + len(b.Payload) + len(b.Meta) + len(b.Event) + len(b.Sender)
}

// noted refers to one broadcast of a topic.
type noted struct {
	of     *topicPast
	number uint64
}

// newPast begins with a number that is larger than any of an earlier run: the
// microseconds of the Unix time at which this run began, as nobody broadcasts a
// million times a second. So 0 can stand for a client that was never here.
func newPast(window time.Duration, limit int, now time.Time) *Past {
	number := uint64(now.UnixMicro())
	return &Past{window: window, limit: limit, ownRun: ownRun{began: now, base: number}, byTopic: map[protocol.Topic]*topicPast{}, number: number, newest: newNewest(number)}
}

// note numbers a broadcast, and keeps it if the topic's broadcasts are kept.
func (p *Past) note(key protocol.Topic, c Carried, now time.Time) {
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
	p.add(of, said{Number: p.number, At: now, Sender: c.Client, Broadcast: copied(c.Broadcast), Origin: c.Origin})
	for len(of.kept) > topicCount || of.size > topicBytes {
		p.dropOldest(of)
	}
	p.trim(now)
}

// trim drops what is too much or too old, the oldest broadcasts of all topics
// first.
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
	p.order = nil // after a busy time its memory is given back
}

func (p *Past) add(of *topicPast, b said) {
	of.kept = append(of.kept, b)
	of.size += b.size()
	p.bytes += b.size()
	p.order = append(p.order, noted{of, b.Number})
}

// copied is a broadcast that may be kept: the bytes of b belong to a read
// buffer.
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

// arrive counts a member with a client_id in, until it leaves. heard is the
// number up to which its client has every broadcast, 0 for a new client. It
// returns what was broadcast to the topic since, and whether some of that is
// gone. newest is the newest number of all topics. From here on the topic's
// broadcasts are kept, if there is room.
func (p *Past) arrive(key protocol.Topic, heard uint64, now time.Time) (of *topicPast, missed []said, newest uint64, gap bool) {
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
		if p.nodes != nil {
			p.nodes.Hold(of.key, Absent) // from here on: it may go without notice
		}
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

// await is arrive and leave of a client that is to come soon.
func (p *Past) await(key protocol.Topic, now time.Time) (newest uint64) {
	of, _, newest, _ := p.arrive(key, 0, now)
	if of == nil {
		return 0
	}
	p.leave(of, now)
	return newest
}

// missed is what was broadcast to a topic after a number. It is not complete if some is
// not kept any more, or cannot be told from what other nodes have of it.
func (p *Past) missed(key protocol.Topic, heard uint64) (missed []Carried, complete bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.byTopic[key]
	switch {
	case heard == 0:
		return nil, false
	case of == nil:
		return nil, p.newest.of(key) <= heard
	case heard < of.lost:
		return nil, false
	}
	for _, b := range of.kept {
		if b.Number <= heard {
			continue
		}
		if b.Origin == (Origin{}) {
			return nil, false
		}
		missed = append(missed, Carried{Broadcast: b.Broadcast, Client: b.Sender, Origin: b.Origin})
	}
	return missed, true
}

// quiet reports whether nothing was broadcast to a topic after a number.
func (p *Past) quiet(key protocol.Topic, heard uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return heard > 0 && p.newest.of(key) <= heard
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

// begin begins to keep the broadcasts of a topic. It returns nil if there is no
// room for the topic: then its clients are told to resync when they come back.
func (p *Past) begin(key protocol.Topic) *topicPast {
	of := &topicPast{key: protocol.Topic{Name: strings.Clone(key.Name), Private: key.Private}, lost: p.newest.of(key)}
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

// store puts a topic among those without members.
func (p *Past) store(of *topicPast, left time.Time) {
	of.left, of.away = left, p.away.PushBack(of)
}

// recall takes a topic out of those without members.
func (p *Past) recall(of *topicPast) {
	if of.away != nil {
		p.away.Remove(of.away)
		of.away = nil
	}
}

// expire forgets the topics that had no members for the window. What was
// broadcast while they had some is older than the window by now.
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
	p.release(of.key)
}

// release has what other nodes broadcast to a topic come only while it has members here.
func (p *Past) release(key protocol.Topic) {
	if p.nodes != nil && p.nodes.Release(key, Absent) {
		p.noteMissing(key)
	}
}

// miss notes that something may have been broadcast to a topic, on another node, that is
// not known here.
func (p *Past) miss(key protocol.Topic) {
	if !p.inUse.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteMissing(key)
}

// noteMissing is miss while p.mu is held.
func (p *Past) noteMissing(key protocol.Topic) {
	p.number++
	p.newest.note(key, p.number)
	if of := p.byTopic[key]; of != nil {
		of.lost = p.number
	}
}

// Expire drops what is older than the window.
func (p *Past) Expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	p.trim(now)
}

// heard is the number up to which every broadcast to any topic has been noted,
// 0 while nothing is kept.
func (p *Past) heard() uint64 {
	if !p.inUse.Load() {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.number
}

// size is how many topics are known, and how many bytes everything takes.
func (p *Past) size() (topics, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byTopic), p.names + p.bytes + len(p.newest.slots)*8
}
