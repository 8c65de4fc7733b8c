package channels

import (
	"context"
	"errors"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// lane follows the log and delivers its changes to the channels attached to it.
// A shard has two: direct, which never waits for Postgres once a relation's
// grants are known, and asked, for channels whose rows Postgres has to judge.
type lane struct {
	delivery
	asked *lane // where channels go that need asking; nil in the asked lane
	// cursor is there from the beginning: a channel may be attached before run
	// is, and what commits in between is due to it. It belongs to run.
	cursor *changelog.Cursor
}

// clockSkew is how far the clocks of Postgres and walcast may be apart before a
// channel that was joined while the database was away misses something.
const clockSkew = 5 * time.Second

// takeLimit is how many changes a lane takes from the log at once; between two
// batches it lets joins and leaves in.
const takeLimit = 256

func newLane(h *Hub, asked *lane) *lane {
	l := &lane{asked: asked, cursor: h.log.Follow()}
	l.delivery.init(h)
	if asked != nil {
		l.delivery.divert = l.divert
		asked.leader = l
	}
	return l
}

// leads returns the direct lane of the lane's shard.
func (l *lane) leads() *lane {
	if l.leader != nil {
		return l.leader
	}
	return l
}

// run follows the log until ctx is done.
//
// A direct lane holds the log: the reader waits for it rather than have all of
// its channels resync. The asked lane does not, as Postgres may be slow.
func (l *lane) run(ctx context.Context) error {
	if l.asked != nil {
		l.cursor.Hold()
		defer l.cursor.LetGo()
	}
	for {
		changes, err := l.cursor.Next(ctx, takeLimit)
		var resync *changelog.ResyncError
		switch {
		case errors.As(err, &resync):
			l.resync(resync)
		case err != nil:
			return nil // the context's: the hub is stopping
		default:
			l.begin(l.cursor.Standing())
			if !l.deliver(ctx, changes) {
				return nil
			}
		}
	}
}

// attach puts a channel on the lane, live from now: reply is called with the
// position after which the channel gets everything, before any frame of it.
func (l *lane) attach(ch *channel, reply func(live wal.Position)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := l.hub.log.Standing()
	if live.Position.IsZero() {
		// The log has not begun and will start with what is old. Positions do
		// not tell yet what that is; commit times do, nearly.
		ch.since = now().Add(-clockSkew)
	}
	l.hub.clients.starts(ch, live)
	reply(live.Position)
	l.add(ch, live)
}

// divert moves a channel to the asked lane, to which everything after position
// is due. Called with l.mu held; the asked lane's lock comes second.
func (l *lane) divert(ch *channel, position wal.Position) {
	l.drop(ch)
	l.asked.mu.Lock()
	defer l.asked.mu.Unlock()
	from := changelog.Standing{History: l.sent.History, Position: position}
	if l.asked.taken.Compare(position) <= 0 {
		l.asked.add(ch, from)
		return
	}
	l.hub.catchUp(ch, l.asked, from)
}

// resync tells every channel of the lane that changes are missing: the lane
// fell behind the log's budget, or the log began anew.
func (l *lane) resync(e *changelog.ResyncError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = e.Position
	l.sent = changelog.Standing{History: e.History, Position: e.Position}
	l.progressed(nil)
	if l.relaysFor != nil {
		l.hub.pasts.interrupt(false)
	}
	for ch := range l.channels {
		if ch.history == e.History && ch.from.Compare(e.Position) >= 0 {
			continue // came later than what is missing
		}
		ch.history, ch.from = e.History, e.Position
		ch.resync(e)
	}
}

// resync tells the client that it missed changes, why, and from where on it has
// everything again.
func (c *channel) resync(e *changelog.ResyncError) {
	for _, b := range c.bindings {
		b.after = wal.Position{} // of what is gone
	}
	c.since = time.Time{} // everything after the position, which is known now
	c.tellResync(e)
}

func (c *channel) tellResync(e *changelog.ResyncError) {
	c.session.hub.metrics.resyncs.WithLabelValues(e.Code).Inc()
	payload := protocol.Resync(c.topic.key.subTopic(), protocol.ResyncDetail{
		Reason: e.Reason, Code: e.Code, From: written(e.From), Oldest: written(e.Oldest), Position: written(e.Position),
	})
	position := ""
	if !e.Position.IsZero() {
		position = e.Position.String()
	}
	c.session.out.Push(c.session.identity.Version.PushAt(position, c.ref, "", c.topic.key.name, protocol.EventSystem, payload))
}

// written is a position for a payload, "" where there is none.
func written(p wal.Position) string {
	if p.IsZero() {
		return ""
	}
	return p.String()
}

// detach takes the channel's bindings out of wherever they are matched. When it
// returns no change is pushed for the channel any more.
func (c *channel) detach() {
	if place := c.lockPlace(); place != nil {
		place.remove(c)
		place.mu.Unlock()
		c.moved()
	}
}

// lockPlace returns where the channel's bindings are matched, locked, or nil
// when they are nowhere.
func (c *channel) lockPlace() *delivery {
	for {
		place := c.place.Load()
		if place == nil {
			return nil
		}
		place.mu.Lock()
		if c.place.Load() == place {
			return place
		}
		place.mu.Unlock() // it moved meanwhile
	}
}
