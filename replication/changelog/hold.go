package changelog

import (
	"context"
	"slices"
	"time"

	"walcast/replication/wal"
)

// Hold has the log keep what the cursor has not read: Release leaves it, and
// Await has the reader wait. It is for the few that serve everybody, as they
// would have to tell everybody to resync; who serves one client must not hold.
// LetGo ends it.
func (c *Cursor) Hold() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	c.log.holders = append(c.log.holders, c)
}

// LetGo ends Hold.
func (c *Cursor) LetGo() {
	l := c.log
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holders = slices.DeleteFunc(l.holders, func(h *Cursor) bool { return h == c })
	l.stir()
}

// Await waits until changes of so many bytes can be appended without a loss to a
// cursor that holds, or ctx is done. A cursor that makes no headway for as long
// as patience is given up: it will have to resync, and the log goes on. Await
// returns how long it waited, and whether it gave one up.
func (l *Log) Await(ctx context.Context, bytes int64, patience time.Duration) (waited time.Duration, gaveUp bool) {
	var (
		start  time.Time
		behind *Cursor
		at     wal.Position
		over   <-chan time.Time
	)
	for {
		c, position, moves := l.inTheWay(bytes)
		if c == nil {
			break
		}
		if start.IsZero() {
			start = time.Now()
		}
		if c != behind || position != at {
			behind, at, over = c, position, time.After(patience)
		}
		select {
		case <-moves:
		case <-over:
			l.giveUp(c, position)
			gaveUp = true
		case <-ctx.Done():
			return time.Since(start), gaveUp
		}
	}
	if start.IsZero() {
		return 0, false
	}
	return time.Since(start), gaveUp
}

// inTheWay returns the hindmost cursor that has still to read what so many bytes
// more would push out of the log, where it is, and what is closed when a cursor
// that holds has moved; nil if there is none.
func (l *Log) inTheWay(bytes int64) (*Cursor, wal.Position, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.holders) == 0 || l.config.Bytes == 0 {
		return nil, wal.Position{}, nil
	}
	var leaves wal.Position
	over := l.bytes + bytes - l.config.Bytes
	for i := 0; i < len(l.chunks) && over > 0; i++ {
		if c := l.chunks[i]; len(c.changes) > 0 {
			leaves = c.newest()
			over -= c.bytes
		}
	}
	c := l.hindmost(leaves)
	if c == nil {
		return nil, wal.Position{}, nil
	}
	if l.stirred == nil {
		l.stirred = make(chan struct{})
	}
	return c, c.position, l.stirred
}

// hindmost is the cursor that holds and is farthest behind p, nil if all have
// come as far. One of another history has nothing here to read. l.mu is held.
func (l *Log) hindmost(p wal.Position) (hindmost *Cursor) {
	for _, c := range l.holders {
		if c.epoch == l.epoch && !(c.isGivenUp && c.gaveUp == c.position) && c.position.Compare(p) < 0 &&
			(hindmost == nil || c.position.Compare(hindmost.position) < 0) {
			hindmost = c
		}
	}
	return hindmost
}

func (l *Log) giveUp(c *Cursor, at wal.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.position == at {
		c.isGivenUp, c.gaveUp = true, at
	}
}

// stir wakes the reader if it waits for cursors that hold. l.mu is held.
func (l *Log) stir() {
	if l.stirred != nil {
		close(l.stirred)
		l.stirred = nil
	}
}
