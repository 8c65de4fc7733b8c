package channels

import (
	"context"
	"errors"
	"sync"

	"walcast/replication/changelog"
)

// catchups keeps account of the goroutines that bring channels from an earlier
// position to a lane. What is to start before open waits for it: clients may be
// back before the hub runs.
type catchups struct {
	mu     sync.Mutex
	ctx    context.Context
	early  []func(context.Context)
	closed bool
	wait   sync.WaitGroup
}

func (c *catchups) open(ctx context.Context) {
	c.mu.Lock()
	early := c.early
	c.ctx, c.early = ctx, nil
	c.mu.Unlock()
	for _, f := range early {
		c.start(f)
	}
}

// close waits for the goroutines; the context given to open must be done.
func (c *catchups) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wait.Wait()
}

// start runs f in a goroutine of its own, unless the hub is stopping.
func (c *catchups) start(f func(ctx context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.early = append(c.early, f)
		return
	}
	if c.closed || c.ctx.Err() != nil {
		return
	}
	ctx := c.ctx
	c.wait.Add(1)
	go func() {
		defer c.wait.Done()
		f(ctx)
	}()
}

// catchUp brings a channel that has everything up to from to the lane: it reads
// the log by a delivery of its own until it has come as far as the lane, and
// hands over there. Live delivery and catching up are the same code. A position
// that a client names has no history.
func (h *Hub) catchUp(ch *channel, to *lane, from changelog.Standing) {
	h.metrics.catchups.Inc()
	own := &delivery{}
	own.init(h)
	own.leader = to.leads()
	own.pace = ch.session.pace
	own.mu.Lock()
	own.add(ch, from)
	own.mu.Unlock()
	h.catchups.start(func(ctx context.Context) { own.follow(ctx, ch, to, from) })
}

// follow is catchUp's goroutine. What cannot be had any more is told, and what
// comes after it follows. While the log has not begun nothing can be said of any
// position, so that lasts as long as the channel does.
func (d *delivery) follow(ctx context.Context, ch *channel, to *lane, from changelog.Standing) {
	for {
		err := d.chase(ctx, ch, to, from)
		var resync *changelog.ResyncError
		if !errors.As(err, &resync) {
			return // handed over, or stopping
		}
		if resync.History == (changelog.History{}) {
			if ch.place.Load() != d {
				return
			}
			continue
		}
		if from == (changelog.Standing{}) {
			resync = d.hub.unknown()
		}
		from = changelog.Standing{History: resync.History, Position: resync.Position}
		if d.restart(ch, to, resync, from) {
			return
		}
	}
}

// chase delivers what comes after from until the lane can take over, the channel
// has left, or it fails.
func (d *delivery) chase(ctx context.Context, ch *channel, to *lane, from changelog.Standing) error {
	cursor, err := d.find(ctx, from)
	if err != nil {
		return err
	}
	at := cursor.Standing()
	d.mu.Lock()
	if ch.place.Load() == d {
		ch.history = at.History
	}
	d.sent = at
	d.mu.Unlock()
	for !d.handOver(ch, to, cursor.Standing()) {
		changes, err := cursor.Next(ctx, takeLimit)
		if err != nil {
			return err
		}
		if !d.deliver(ctx, changes) {
			return ctx.Err()
		}
	}
	return nil
}

// restart tells the channel what it misses. It is true when the channel needs no
// more of the delivery: it is on the lane, or gone.
func (d *delivery) restart(ch *channel, to *lane, e *changelog.ResyncError, from changelog.Standing) bool {
	to.mu.Lock()
	defer to.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if ch.place.Load() != d {
		return true
	}
	ch.resync(e)
	ch.history, ch.from = from.History, from.Position
	d.taken, d.sent = from.Position, from
	d.progressed(nil)
	if to.taken.Compare(from.Position) > 0 {
		return false
	}
	d.drop(ch)
	to.add(ch, from)
	return true
}

// find waits for the log to have the position, as it is read again after a
// restart, but not for ever: then the position is an unknown one.
func (d *delivery) find(ctx context.Context, from changelog.Standing) (*changelog.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, d.hub.config.ResumeWait)
	defer cancel()
	if from.History == (changelog.History{}) {
		return d.hub.log.After(ctx, from.Position)
	}
	return d.hub.log.Resume(ctx, from)
}

// handOver moves the channel to the lane if the lane has not yet taken anything
// beyond at, or reports true because the channel has left.
func (d *delivery) handOver(ch *channel, to *lane, at changelog.Standing) bool {
	to.mu.Lock()
	defer to.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if ch.place.Load() != d {
		return true
	}
	if to.taken.Compare(at.Position) > 0 {
		return false
	}
	d.drop(ch)
	to.add(ch, at)
	return true
}
