package fanout

import (
	"context"
	"errors"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// catchup brings one subscription that has everything up to a standing to a
// lane: it reads the log by a delivery of its own until it has come as far as the
// lane, and hands over there. One that is apart stays with it. Live delivery and
// catching up are the same code.
type catchup struct {
	delivery
	subscription *Subscription
	lane         *lane
	// from is after what the subscription has. A position that a client names
	// has no history; nothing at all is known of a zero one.
	from  changelog.Standing
	piece int // how many changes are delivered next
}

// catchUp brings a subscription, which must be attached nowhere, from a standing
// to a lane.
func (f *Fanout) catchUp(s *Subscription, to *lane, from changelog.Standing) {
	f.metrics.catchups.Inc()
	c := &catchup{subscription: s, lane: to, from: from, piece: firstPiece}
	c.init(f, catchingUp)
	c.pace, c.woken = c.sendAtPace, make(chan struct{}, 1)
	c.attach()
	f.tasks.start(c.run)
}

// sendAtPace waits for the client without keeping others from catching up.
func (c *catchup) sendAtPace(ctx context.Context, size int, send func()) {
	<-c.fanout.turns
	c.subscription.request.pace(ctx, size, func() { c.fanout.working.do(send) })
	c.fanout.turns <- struct{}{}
}

// catchUpsAtOnce is how many catch-ups have changes matched and decided at a
// time; others wait in turn.
const catchUpsAtOnce = 64

// How many changes a catch-up delivers in one go, so that the others have their
// turn soon: few at first, and as many as are matched in about pieceTime.
const (
	firstPiece = 4
	pieceTime  = 2 * time.Millisecond
)

// bring delivers a batch once it is the catch-up's turn, and everything in it is
// decided. It is false when ctx was done before.
func (c *catchup) bring(ctx context.Context, changes []*wal.Change) bool {
	select {
	case c.fanout.turns <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-c.fanout.turns }()
	return c.deliver(ctx, changes) && c.drain(ctx, c.subscription)
}

// deliver is that of a delivery, but matches when few others do.
func (c *catchup) deliver(ctx context.Context, changes []*wal.Change) bool {
	for len(changes) > 0 {
		var n int
		var unknown *wal.Relation
		c.fanout.working.do(func() {
			started := time.Now()
			n, unknown = c.match(changes)
			c.measure(time.Since(started))
		})
		if !c.confirm(ctx) {
			return false
		}
		c.send(ctx)
		changes = changes[n:]
		if unknown != nil && !c.learn(ctx, unknown) {
			return false
		}
	}
	return true
}

// measure takes in how long a piece has taken.
func (c *catchup) measure(took time.Duration) {
	switch {
	case took < pieceTime/2:
		c.piece = min(2*c.piece, takeLimit)
	case took > 2*pieceTime:
		c.piece = max(c.piece/2, 1)
	}
}

func (c *catchup) attach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(c.subscription)
}

// run brings the subscription to its lane. What cannot be had any more is told,
// and what comes after it follows. While the log has not begun nothing can be
// said of any position, so that lasts as long as the subscription does.
func (c *catchup) run(ctx context.Context) {
	for {
		err := c.chase(ctx)
		var resync *changelog.ResyncError
		switch {
		case !errors.As(err, &resync):
			return // handed over, or stopping
		case resync.History == changelog.History{}:
			if c.hasLeft() {
				return
			}
		case c.restart(resync):
			return
		}
	}
}

// hasLeft reports whether the subscription is not here any more.
func (c *catchup) hasLeft() bool { return c.subscription.place.Load() != &c.delivery }

// chase delivers what comes after from until the lane can take over, the
// subscription is closed, or it fails.
func (c *catchup) chase(ctx context.Context) error {
	cursor, err := c.find(ctx)
	if err != nil {
		return err
	}
	c.begin(cursor.Standing())
	for near := true; !near || !c.goesOver(cursor.Standing()); {
		changes, err := c.next(ctx, cursor)
		if err != nil {
			return err
		}
		// Whoever is far behind does not ask for the lane's lock.
		near = len(changes) < c.piece || c.hasLeft()
		if !c.bring(ctx, changes) {
			return ctx.Err()
		}
	}
	return nil
}

// next waits for changes; there are none when the subscription has left.
func (c *catchup) next(ctx context.Context, cursor *changelog.Cursor) ([]*wal.Change, error) {
	for {
		changes, wait, err := c.take(cursor)
		if wait == nil || c.hasLeft() {
			return changes, err
		}
		select {
		case <-wait:
		case <-c.woken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take takes a piece when few others compute: they would all ask for the log's
// lock, and the reader with them.
func (c *catchup) take(cursor *changelog.Cursor) (changes []*wal.Change, wait <-chan struct{}, err error) {
	c.fanout.working.do(func() { changes, wait, err = cursor.Take(c.piece) })
	return changes, wait, err
}

// find waits for the log to have the position, as it is read again after a
// restart, but not for ever: then the position is an unknown one.
func (c *catchup) find(ctx context.Context) (*changelog.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, c.fanout.config.ResumeWait)
	defer cancel()
	if c.from.History == (changelog.History{}) {
		return c.fanout.log.After(ctx, c.from.Position)
	}
	return c.fanout.log.Resume(ctx, c.from)
}

// begin notes the standing that was found, whose history is known now.
func (c *catchup) begin(at changelog.Standing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hasLeft() {
		c.subscription.due.rows.History = at.History
	}
	c.sent = at
}

// goesOver hands over when few others compute.
func (c *catchup) goesOver(at changelog.Standing) (done bool) {
	c.fanout.working.do(func() { done = c.handOver(at) })
	return done
}

// handOver moves the subscription to the lane if the lane has not yet taken
// anything beyond at. It is true when there is nothing more to do.
func (c *catchup) handOver(at changelog.Standing) bool {
	if c.stays() {
		return c.hasLeft()
	}
	c.lane.mu.Lock()
	defer c.lane.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hasLeft() {
		return true
	}
	if c.lane.taken.Compare(at.Position) > 0 {
		return false
	}
	c.move(at)
	return true
}

// stays reports whether no lane is to have the subscription.
func (c *catchup) stays() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subscription.isApart
}

// move gives the subscription to the lane. The locks of both are held.
func (c *catchup) move(at changelog.Standing) {
	s := c.subscription
	c.drop(s)
	s.due.advance(at)
	c.lane.watch(s)
	c.lane.add(s)
}

// restart tells the client what it misses and goes on after it. It is true when
// there is nothing more to do.
func (c *catchup) restart(e *changelog.ResyncError) bool {
	c.lane.mu.Lock()
	defer c.lane.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hasLeft() {
		return true
	}
	if c.from == (changelog.Standing{}) {
		e = unknown(c.fanout.log)
		c.subscription.resync(e)
	} else {
		c.subscription.lose(c.subscription.behindOf(e))
	}
	c.discard(c.subscription)
	c.from = changelog.Standing{History: e.History, Position: e.Position}
	c.taken, c.sent = c.from.Position, c.from
	c.subscription.due.moveTo(c.from)
	if c.subscription.isApart || c.lane.taken.Compare(c.from.Position) > 0 {
		return false
	}
	c.move(c.from)
	return true
}
