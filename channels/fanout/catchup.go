package fanout

import (
	"context"
	"errors"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// catchup reads the log for one subscription, from a position up to which the
// subscription has everything, with a delivery of its own. Once it has come as
// far as the lane it hands the subscription over; a dedicated subscription it
// keeps. Live delivery and catching up are the same code.
type catchup struct {
	fanout       *Fanout
	delivery     delivery
	subscription *Subscription
	lane         *lane
	// from is the standing after which the subscription gets everything. A
	// position that a client names has no history yet. A zero standing says
	// that it is not known what the client has.
	from  changelog.Standing
	early bool // it begins with the log, which had not begun when it was made
	piece int  // how many changes are delivered next
	turn  turn
	named []changelog.Named // positions of from that are to be confirmed when the log begins
}

// catchUp starts a catch-up that brings a subscription from a standing to a
// lane. The subscription must not be attached to a delivery. named are positions that
// its client has named, if the log had not begun by then.
func (f *Fanout) catchUp(s *Subscription, to *lane, from changelog.Standing, named ...changelog.Named) {
	f.start(&catchup{subscription: s, lane: to, from: from, named: named})
}

// catchUpFromStart is catchUp from where the log will begin.
func (f *Fanout) catchUpFromStart(s *Subscription, to *lane) {
	f.start(&catchup{subscription: s, lane: to, early: true})
}

func (f *Fanout) start(c *catchup) {
	f.metrics.catchups.Inc()
	c.fanout, c.piece, c.turn = f, firstPiece, turn{limits: &f.catchUps, by: c.subscription.owner()}
	c.delivery.init(f, catchingUp, moves{}, nil)
	c.delivery.pacing = pacing{compute: c.matchInTurn, pace: c.sendAtPace, woken: make(chan struct{}, 1)}
	c.attach()
	f.tasks.start(c.run)
}

// sendAtPace sends when the client has room. While it waits for that, other
// catch-ups may match and send.
func (c *catchup) sendAtPace(ctx context.Context, size int, send func()) {
	had := c.turn.end()
	c.subscription.request.Session.catchUps.pace(ctx, c.subscription.request.Outbox, size, func() { c.fanout.catchUps.compute(send) })
	c.turn.again(ctx, had)
}

// How many changes a catch-up delivers in one go, so that other catch-ups have
// their turn soon: few at first, and as many as are matched in about pieceTime.
const (
	firstPiece = 4
	pieceTime  = time.Millisecond
)

// matchInTurn matches a piece of the changes. Nothing is waited for with a processor
// taken: for what follows a match others may have it.
func (c *catchup) matchInTurn(match func() (waits bool)) {
	c.turn.compute()
	started := time.Now()
	waits := match()
	c.measure(time.Since(started))
	if waits {
		c.turn.rest()
	}
}

// drain waits until everything in the queue of the subscription is decided, and
// sends it at the pace of the client. It is false when ctx is done.
func (c *catchup) drain(ctx context.Context) bool {
	for {
		size, waits := c.waiting()
		switch {
		case !waits:
			return true
		case size > 0:
			c.sendAtPace(ctx, size, func() { c.delivery.releaseEach([]*Subscription{c.subscription}) })
			continue
		}
		c.turn.asks()
		select {
		case <-c.delivery.pacing.woken:
		case <-ctx.Done():
			return false
		}
	}
}

// waiting is the size of the step that can be sent now, 0 if it is not decided
// yet; waits is false when nothing waits.
func (c *catchup) waiting() (size int, waits bool) {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	return c.delivery.waiting.next(c.subscription)
}

// measure adapts the size of the next piece to how long one has taken.
func (c *catchup) measure(took time.Duration) {
	switch {
	case took < pieceTime/2:
		c.piece = min(2*c.piece, takeLimit)
	case took > pieceTime:
		c.piece = max(c.piece/2, 1)
	}
}

func (c *catchup) attach() {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	c.delivery.add(c.subscription)
}

// run brings the subscription to its lane. If the log does not have the changes
// after the position any more, the client is told so, and gets what comes after
// the gap. If the log has not begun yet, run tries again for as long as the
// subscription is there.
func (c *catchup) run(ctx context.Context) {
	for {
		err := c.chase(ctx)
		var resync *changelog.ResyncError
		switch {
		case errors.Is(err, errRowsDue):
			if !c.sendRows(ctx) {
				return
			}
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

// errRowsDue means that the snapshot of a binding is to be sent first.
var errRowsDue = errors.New("a snapshot is due")

// awaitsRows reports whether that is so.
func (c *catchup) awaitsRows() bool {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	return !c.hasLeft() && c.subscription.awaitsRows()
}

// hasLeft reports whether the subscription is not attached to this catch-up any
// more.
func (c *catchup) hasLeft() bool { return c.subscription.attachedTo.Load() != &c.delivery }

// chase delivers what comes after from until the lane has taken over or the
// subscription is closed. It returns an error if the log does not have it, or
// ctx is done.
func (c *catchup) chase(ctx context.Context) error {
	cursor, err := c.find(ctx)
	if err != nil {
		return err
	}
	c.restore(ctx, cursor.Standing())
	c.begin(cursor.Standing())
	defer c.turn.end()
	for near := true; ; {
		if c.awaitsRows() {
			return errRowsDue
		}
		if !c.turn.begin(ctx) {
			return ctx.Err()
		}
		if near && !c.hasGap() && c.handOver(cursor.Standing()) {
			return nil
		}
		changes, err := c.next(ctx, cursor)
		if err != nil {
			return err
		}
		// A catch-up that is far behind has no reason to take the lane's lock.
		near = len(changes) < c.piece || c.hasLeft()
		if !c.delivery.deliver(ctx, changes) {
			return ctx.Err()
		}
		if c.passGap(len(changes)); !c.drain(ctx) {
			return ctx.Err()
		}
	}
}

// next returns changes, and waits for them with no turn; there are none when the
// subscription has left. Many catch-ups that all took changes at once would contend
// with the reader for the log's lock.
func (c *catchup) next(ctx context.Context, cursor *changelog.Cursor) ([]*wal.Change, error) {
	for {
		changes, wait, err := cursor.Take(c.piece)
		if wait == nil || c.hasLeft() || c.awaitsRows() || c.hasGap() {
			return changes, err
		}
		c.turn.end()
		select {
		case <-wait:
		case <-c.delivery.pacing.woken:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !c.turn.begin(ctx) {
			return nil, ctx.Err()
		}
	}
}

// hasGap reports whether the client is still to be told of a gap.
func (c *catchup) hasGap() bool {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	return !c.hasLeft() && c.subscription.gap != nil
}

// find returns a cursor at from. It waits for the log to have the position, as
// after a restart the log is read again, but not for ever: then it returns the
// error of an unknown position.
func (c *catchup) find(ctx context.Context) (*changelog.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, c.fanout.config.ResumeWait)
	defer cancel()
	if err := c.confirm(ctx); err != nil {
		return nil, err
	}
	if c.early {
		if _, err := c.fanout.log.After(ctx, wal.Position{}); c.fanout.log.Standing() == (changelog.Standing{}) {
			return nil, err
		}
		if c.from = c.fanout.log.Beginning(); c.from == (changelog.Standing{}) {
			c.from = c.fanout.log.Standing() // it has begun anew meanwhile
		}
		c.early = false
	}
	if c.from.History == (changelog.History{}) {
		return c.fanout.log.After(ctx, c.from.Position)
	}
	return c.fanout.log.Resume(ctx, c.from)
}

// confirm waits for the log to begin, if the client was answered before, and then
// fails if the positions that it has named are not where it goes on.
func (c *catchup) confirm(ctx context.Context) error {
	if len(c.named) == 0 {
		return nil
	}
	_, err := c.fanout.log.After(ctx, wal.Position{}) // waits for the log to begin
	to, wrong := c.fanout.log.Confirm(c.named)
	if wrong == nil && !to.Begun {
		return err
	}
	c.named, c.from.History = nil, to.History
	return wrong
}

// begin notes the standing that was found, whose history is known now.
func (c *catchup) begin(at changelog.Standing) {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	if !c.hasLeft() {
		c.subscription.progress.rows.History = at.History
		c.subscription.doubt()
	}
	c.delivery.standings.sent = at
}

// handOver moves the subscription to the lane if the lane is in the same history and has
// not taken anything beyond at yet. It is true when there is nothing more to do.
func (c *catchup) handOver(at changelog.Standing) bool {
	if c.stays() {
		return c.hasLeft()
	}
	c.lane.delivery.mu.Lock()
	defer c.lane.delivery.mu.Unlock()
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	if c.hasLeft() {
		return true
	}
	lane := &c.lane.delivery.standings
	if !lane.isIn(at.History) || lane.taken.Compare(at.Position) > 0 || c.subscription.awaitsRows() {
		return false
	}
	c.move(at)
	return true
}

// stays reports whether the subscription is dedicated and keeps this catch-up.
func (c *catchup) stays() bool {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	return c.subscription.isDedicated
}

// move gives the subscription to the lane. The locks of the lane and of the
// delivery must be held.
func (c *catchup) move(at changelog.Standing) {
	s := c.subscription
	c.delivery.drop(s)
	s.progress.advance(at)
	c.lane.watch(s)
	c.lane.delivery.add(s)
}

// restart tells the client what it misses and goes on after the gap. It is true
// when there is nothing more to do.
func (c *catchup) restart(e *changelog.ResyncError) bool {
	c.lane.delivery.mu.Lock()
	defer c.lane.delivery.mu.Unlock()
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	if c.hasLeft() {
		return true
	}
	if c.from == (changelog.Standing{}) {
		e = unknownClient(c.fanout.log)
		c.subscription.resync(e)
	} else {
		c.subscription.lose(c.subscription.behindOf(e))
	}
	c.delivery.waiting.discard(c.subscription)
	c.from = changelog.Standing{History: e.History, Position: e.Position}
	c.delivery.standings.restart(c.from)
	c.subscription.progress.moveTo(c.from)
	lane := &c.lane.delivery.standings
	if c.subscription.isDedicated || c.subscription.awaitsRows() || !lane.isIn(c.from.History) || lane.taken.Compare(c.from.Position) > 0 {
		return false
	}
	c.move(c.from)
	return true
}
