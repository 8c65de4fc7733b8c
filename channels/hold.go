package channels

import (
	"context"
	"sync"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// held is a message from SQL that waits for the rows before it: its channel is
// on its way to a lane, or where Postgres judges rows.
type held struct {
	frame  *protocol.Frame
	at     wal.Position
	number uint64 // in the topic's past, 0 without one
}

// heldLimit bounds what one channel holds. Beyond it the oldest go: order gives
// way, nothing is lost.
const heldLimit = 1000

// holding is the channels of a delivery that hold messages.
type holding struct {
	mu       sync.Mutex
	channels map[*channel]struct{}
}

func (h *holding) add(c *channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels == nil {
		h.channels = map[*channel]struct{}{}
	}
	h.channels[c] = struct{}{}
}

func (h *holding) takeAll() map[*channel]struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.channels
	h.channels = nil
	return all
}

func (h *holding) has(c *channel) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, has := h.channels[c]
	return has
}

// hold keeps a message until the channel's rows have come as far. Called with the
// topic's lock held.
func (c *channel) hold(m held) {
	if len(c.held) == heldLimit {
		c.session.out.Push(c.held[0].frame)
		c.held = c.held[1:]
	}
	c.held = append(c.held, m)
	c.settle()
}

// settle has what the channel holds delivered in time by whoever delivers its
// rows, or at once if that is the direct lane or nobody. The place may change
// meanwhile; who changes it calls settle too. Called with the topic's lock held.
func (c *channel) settle() {
	for len(c.held) > 0 {
		place := c.place.Load()
		if c.shard.isDirect(place) {
			c.pay(nil)
			return
		}
		place.holding.add(c)
		if c.place.Load() == place {
			return
		}
	}
}

// pay pushes what the channel holds up to a position, or everything. Called with
// the topic's lock held.
func (c *channel) pay(upTo *wal.Position) {
	n := 0
	for n < len(c.held) && (upTo == nil || c.held[n].at.Compare(*upTo) <= 0) {
		c.session.out.Push(c.held[n].frame)
		c.held[n].frame = nil
		n++
	}
	if c.held = c.held[n:]; len(c.held) == 0 {
		c.held = nil
	}
}

// moved settles what a channel holds after its place has changed.
func (c *channel) moved() {
	c.topic.mu.Lock()
	defer c.topic.mu.Unlock()
	c.settle()
}

// payBefore pushes the messages that come before a row at a position. Called with
// d.mu held.
func (d *delivery) payBefore(ch *channel, row wal.Position) {
	if d.relaysFor != nil || !d.holding.has(ch) {
		return
	}
	ch.topic.mu.Lock()
	defer ch.topic.mu.Unlock()
	ch.pay(&row)
}

// progressed pushes the messages up to where all rows have been pushed, or all of
// them, and wakes who waits for that. Called with d.mu held.
func (d *delivery) progressed(upTo *wal.Position) {
	if d.waited != nil {
		close(d.waited)
		d.waited = nil
	}
	for ch := range d.holding.takeAll() {
		ch.topic.mu.Lock()
		ch.pay(upTo)
		ch.settle()
		ch.topic.mu.Unlock()
	}
}

// awaitLeader waits until the direct lane has relayed the messages among the
// changes. It is false when ctx is done.
func (d *delivery) awaitLeader(ctx context.Context, changes []*wal.Change) bool {
	if d.leader == nil || len(changes) == 0 {
		return true
	}
	d.mu.Lock()
	at := changelog.Standing{History: d.sent.History, Position: changes[len(changes)-1].Position}
	idle := len(d.channels) == 0
	d.mu.Unlock()
	return idle || d.leader.passes(ctx, at)
}

// isDirect reports whether a place is the shard's direct lane, which also serves
// channels whose bindings are matched nowhere.
func (s *shard) isDirect(place *delivery) bool {
	return place == nil || place == &s.direct.delivery
}

// passes waits until a direct lane has pushed everything up to a position, as
// messages must not come after rows that were committed later. In another
// history it does not. It is false when ctx is done.
func (l *lane) passes(ctx context.Context, at changelog.Standing) bool {
	for {
		wait := l.progress(at)
		if wait == nil {
			return true
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return false
		}
	}
}

// progress returns what is closed when the lane moves on, nil if it is there.
func (l *lane) progress(at changelog.Standing) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent.History != at.History || l.sent.Position.Compare(at.Position) >= 0 {
		return nil
	}
	if l.waited == nil {
		l.waited = make(chan struct{})
	}
	return l.waited
}
