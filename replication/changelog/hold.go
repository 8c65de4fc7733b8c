package changelog

import (
	"context"
	"slices"
	"time"

	"walcast/replication/wal"
)

// holder is a cursor that holds.
type holder struct {
	cursor *Cursor
	// stuck is the position at which Await ran out of patience with the cursor,
	// nil if it did not. Until the cursor moves the log does not wait for it.
	stuck *wal.Position
}

// isWaitedFor reports whether the log keeps what the cursor has not read.
func (h *holder) isWaitedFor() bool { return h.stuck == nil || *h.stuck != h.cursor.position }

// holders are the cursors that hold. The log's lock guards them.
type holders []*holder

// slowest is the holder of an epoch that is farthest behind p and waited for,
// nil if all have come as far. A cursor of another history has nothing here to
// read.
func (hs holders) slowest(epoch int, p wal.Position) (slowest *holder) {
	for _, h := range hs {
		if h.cursor.epoch == epoch && h.isWaitedFor() && h.cursor.position.Compare(p) < 0 &&
			(slowest == nil || h.cursor.position.Compare(slowest.cursor.position) < 0) {
			slowest = h
		}
	}
	return slowest
}

// Hold has the log keep what the cursor has not read: Release leaves it, and
// Await has the reader wait. It is for the few cursors that serve all clients,
// which would all have to resync. A cursor for one client must not hold. LetGo
// ends it.
func (c *Cursor) Hold() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.log.holders = append(c.log.holders, &holder{cursor: c})
}

// LetGo ends Hold.
func (c *Cursor) LetGo() {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holders = slices.DeleteFunc(l.holders, func(h *holder) bool { return h.cursor == c })
	l.read.fire()
}

// Await waits until changes of so many bytes can be appended without a loss to a
// cursor that holds, or ctx is done. A cursor that makes no headway for as long
// as patience is waited for no longer: it will have to resync, and the log goes
// on. Await returns how long it waited, and whether its patience ran out.
func (l *Log) Await(ctx context.Context, bytes int64, patience time.Duration) (waited time.Duration, timedOut bool) {
	var (
		start   time.Time
		slowest *holder
		at      wal.Position
		over    <-chan time.Time
	)
	for {
		h, position, moves := l.inTheWay(bytes)
		if h == nil {
			break
		}
		if start.IsZero() {
			start = time.Now()
		}
		if h != slowest || position != at {
			slowest, at, over = h, position, time.After(patience)
		}
		select {
		case <-moves:
		case <-over:
			l.doNotWaitFor(h, position)
			timedOut = true
		case <-ctx.Done():
			return time.Since(start), timedOut
		}
	}
	if start.IsZero() {
		return 0, false
	}
	return time.Since(start), timedOut
}

// inTheWay returns the slowest holder that has still to read what so many bytes
// more would push out of the log, where it is, and what is closed when a cursor
// has moved; nil if there is none.
func (l *Log) inTheWay(bytes int64) (*holder, wal.Position, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holders) == 0 {
		return nil, wal.Position{}, nil
	}
	h := l.holders.slowest(l.epoch.number, l.chunks.displaced(bytes))
	if h == nil {
		return nil, wal.Position{}, nil
	}
	return h, h.cursor.position, l.read.wait()
}

// doNotWaitFor lets the log go on without a holder that is still at a position.
func (l *Log) doNotWaitFor(h *holder, at wal.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.stuck = &at
}
