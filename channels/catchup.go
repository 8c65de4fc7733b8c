package channels

import (
	"context"
	"errors"
	"sync"

	"walcast/replication"
)

// catchups keeps account of the goroutines that bring channels from an earlier
// position to a lane.
type catchups struct {
	mu   sync.Mutex
	ctx  context.Context
	wait sync.WaitGroup
}

func (c *catchups) open(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ctx = ctx
}

// close waits for the goroutines; the context given to open must be done.
func (c *catchups) close() {
	c.mu.Lock()
	c.ctx = nil
	c.mu.Unlock()
	c.wait.Wait()
}

// start runs f in a goroutine of its own, unless the hub is stopping.
func (c *catchups) start(f func(ctx context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil || c.ctx.Err() != nil {
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
// hands over there. Live delivery and catching up are the same code.
func (h *Hub) catchUp(ch *channel, to *lane, from replication.Position) {
	h.metrics.catchups.Inc()
	own := &delivery{}
	own.init(h)
	own.mu.Lock()
	own.add(ch, from)
	own.mu.Unlock()
	h.catchups.start(func(ctx context.Context) { own.follow(ctx, ch, to, from) })
}

// follow is catchUp's goroutine.
func (d *delivery) follow(ctx context.Context, ch *channel, to *lane, from replication.Position) {
	cursor, err := d.findPosition(ctx, from)
	for err == nil {
		if d.handOver(ch, to, cursor.Position()) {
			return
		}
		var changes []*replication.Change
		if changes, err = cursor.Next(ctx, takeLimit); err == nil {
			d.deliver(ctx, changes)
		}
	}
	var resync *replication.ResyncError
	if !errors.As(err, &resync) {
		return // stopping
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if ch.place.Load() != d {
		return
	}
	ch.resync(resync)
	d.remove(ch)
	to.add(ch, resync.Position)
}

// findPosition waits for the log to have the position, as it is read again
// after a restart, but not for ever: then the position is an unknown one.
func (d *delivery) findPosition(ctx context.Context, from replication.Position) (*replication.Cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, d.hub.config.ResumeWait)
	defer cancel()
	return d.hub.log.After(ctx, from)
}

// handOver moves the channel to the lane if the lane has not yet taken anything
// beyond position, or reports true because the channel has left.
func (d *delivery) handOver(ch *channel, to *lane, position replication.Position) bool {
	to.mu.Lock()
	defer to.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if ch.place.Load() != d {
		return true
	}
	if to.taken.Compare(position) > 0 {
		return false
	}
	d.remove(ch)
	to.add(ch, position)
	return true
}
