package channels

import (
	"slices"
	"strconv"
	"sync"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// ledger notes what the pings of one session stand for: a pong proves that
// everything has arrived that was queued before its ping. It is nil, and empty,
// for sessions without client_id.
type ledger struct {
	mu       sync.Mutex
	serial   uint64
	channels []*channel
	marks    []mark // the pings that were not answered yet, oldest first
}

// mark is one ping.
type mark struct {
	payload string
	stands  []stand
}

// stand is what had been pushed for a channel when a ping was made; at is zero
// for one without bindings.
type stand struct {
	channel  *channel
	at       changelog.Standing
	listened uint64 // number of the newest broadcast of its topic
}

// markLimit bounds the pings that wait for an answer. Beyond it the newest takes
// the place of the one before: were it the oldest, a slow client would never
// prove anything.
const markLimit = 64

func (l *ledger) add(ch *channel) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !ch.ended.Load() { // its end may have come first
		l.channels = append(l.channels, ch)
	}
}

func (l *ledger) remove(ch *channel) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.channels = slices.DeleteFunc(l.channels, func(c *channel) bool { return c == ch })
}

// joined are the channels that have not ended.
func (l *ledger) joined() []*channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.channels)
}

// Mark returns the payload of a ping that proves, when it comes back, that
// everything has arrived that was pushed before. The session must have a
// client_id; one goroutine at a time may call it, and push the ping next.
func (s *Session) Mark() string {
	l := s.ledger
	l.mu.Lock()
	stands := make([]stand, len(l.channels))
	for i, ch := range l.channels {
		stands[i].channel = ch
	}
	l.serial++
	serial := l.serial
	l.mu.Unlock()

	var newest wal.Position
	for i := range stands {
		at := stands[i].channel.standing()
		stands[i].at = at
		stands[i].listened = stands[i].channel.listened()
		if at.Position.Compare(newest) > 0 {
			newest = at.Position
		}
	}
	m := mark{payload: newest.String() + "#" + strconv.FormatUint(serial, 10), stands: stands}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.marks) == markLimit {
		l.marks = l.marks[:markLimit-1]
	}
	l.marks = append(l.marks, m)
	return m.payload
}

// Proven takes the payload of a pong. One that answers no ping of ours proves
// nothing.
func (s *Session) Proven(payload string) {
	if stands := s.ledger.settle(payload); len(stands) > 0 {
		s.hub.clients.proves(stands)
	}
}

// settle takes out the answered ping and those before it.
func (l *ledger) settle(payload string) []stand {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.marks, func(m mark) bool { return m.payload == payload })
	if i < 0 {
		return nil
	}
	stands := l.marks[i].stands
	l.marks = slices.Delete(l.marks, 0, i+1)
	return stands
}

// standing is up to where everything that the channel is to have has been
// pushed, zero without bindings.
func (c *channel) standing() (at changelog.Standing) {
	if place := c.lockPlace(); place != nil {
		defer place.mu.Unlock()
		return place.standing(c)
	}
	return at
}
