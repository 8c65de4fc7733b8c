package changelog

import (
	"context"

	"walcast/replication/wal"
)

// Cursor is a consumer's place in the log. It belongs to one goroutine.
type Cursor struct {
	log *Log
	place
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
		changes, wait, err := c.Take(limit)
		if wait == nil {
			return changes, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
}

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

// Take is Next without waiting: it returns changes, an error, or what to wait
// for.
func (c *Cursor) Take(limit int) ([]*wal.Change, <-chan struct{}, error) {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	changes, err := c.next(&l.contents, limit)
	if changes == nil && err == nil {
		return nil, l.moved.wait(), nil
	}
	l.read.fire()
	return changes, nil, err
}
