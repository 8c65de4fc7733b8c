package changelog

import (
	"context"

	"walcast/replication/wal"
)

// Cursor is a consumer's place in the log. It belongs to one goroutine.
type Cursor struct {
	log      *Log
	epoch    int // number of the history that position belongs to; 0 before Begin
	position wal.Position

	// Where the next change will be; chunk is nil, or gone, when that has to
	// be searched for.
	chunk *chunk
	index int
}

// Next waits for changes after the cursor, returns up to limit of them (as
// many as are at hand if it is 0) and moves behind them. The slice is shared
// and read-only. It fails with ctx's error or with a *ResyncError, after which
// the cursor stands at the error's Position, which is Head.
func (c *Cursor) Next(ctx context.Context, limit int) ([]*wal.Change, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		changes, wait, err := c.take(limit)
		if wait == nil {
			return changes, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
}

// Position is the position of the last change that Next returned, or where the
// cursor started; everything after it is still to come.
func (c *Cursor) Position() wal.Position { return c.position }

// Standing is the cursor's position with its history, which is zero if the log
// has begun another since.
func (c *Cursor) Standing() Standing {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if c.epoch != c.log.epoch.number {
		return Standing{Position: c.position}
	}
	return Standing{c.log.epoch.history, c.position}
}

// take is Next without waiting: it returns changes, an error, or what to wait
// for.
func (c *Cursor) take(limit int) ([]*wal.Change, <-chan struct{}, error) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.epoch == 0 && l.epoch.number == 1 { // made before Begin
		c.epoch, c.position = 1, l.epoch.start
	}
	switch {
	case !l.epoch.begun():
		return nil, l.moved.wait(), nil
	case c.epoch != l.epoch.number:
		return nil, nil, c.fail(l.epoch.reason)
	case c.position.Compare(l.chunks.lost) < 0:
		return nil, nil, c.fail(CodeTooOld)
	case !c.find():
		return nil, l.moved.wait(), nil
	}
	rest := c.chunk.changes[c.index:]
	if limit > 0 && len(rest) > limit {
		rest = rest[:limit]
	}
	c.index += len(rest)
	c.position = rest[len(rest)-1].Position
	l.read.fire()
	return rest[:len(rest):len(rest)], nil, nil
}

// find moves chunk and index to the next change; it is false if there is none
// yet. It and fail are steps of take, under its lock.
func (c *Cursor) find() bool {
	if c.chunk == nil || c.chunk.isGone {
		c.chunk, c.index = c.log.chunks.seek(c.position)
		if c.chunk == nil {
			return false
		}
		if c.chunk.changes[c.index].Position == c.position {
			c.index++
		}
	}
	for c.index == len(c.chunk.changes) {
		if c.chunk.next == nil {
			return false
		}
		c.chunk, c.index = c.chunk.next, 0
	}
	return true
}

// fail moves the cursor to Head.
func (c *Cursor) fail(reason string) error {
	err := c.log.resync(reason, c.position)
	c.epoch, c.position, c.chunk = c.log.epoch.number, c.log.chunks.head, nil
	c.log.read.fire()
	return err
}
