package changelog

import (
	"sort"
	"time"

	"walcast/replication/wal"
)

const (
	chunkChanges = 1024                  // changes in a chunk at most
	chunkParts   = 64                    // of the bytes and of the window that one chunk takes up
	chunkTime    = 10 * time.Millisecond // that a chunk is open for at least
)

// chunk is a stretch of the log that leaves as a whole, so that neither a
// change nor a transaction needs bookkeeping of its own. Readers share slices
// of changes: entries are added behind them and never altered.
type chunk struct {
	changes     []*wal.Change
	upTo        wal.Position // head after the newest addition
	first, last time.Time    // of the additions
	bytes       int64
	end         wal.LSN // of the newest transaction or keepalive completed in it, 0 if none
	next        *chunk
	isGone      bool
}

// newest is the position of the newest change, zero if there is none.
func (c *chunk) newest() wal.Position {
	if len(c.changes) == 0 {
		return wal.Position{}
	}
	return c.changes[len(c.changes)-1].Position
}

// leave lets go of the changes, as idle cursors may still point here.
func (c *chunk) leave() {
	c.isGone, c.changes, c.next = true, nil, nil
}

// push adds a change. l.mu is held, here and below.
func (l *Log) push(now time.Time, change *wal.Change) {
	size := int64(max(change.Bytes, 1))
	c := l.tail(now)
	isFull := l.config.Bytes > 0 && c.bytes+size > max(l.config.Bytes/chunkParts, 1)
	if len(c.changes) > 0 && (isFull || len(c.changes) == chunkChanges) {
		c = l.grow(now)
	}
	c.changes = append(c.changes, change)
	c.bytes += size
	l.bytes += size
	l.changes++
	l.head, l.isOpen = change.Position, true
	c.upTo, c.last = l.head, now
}

// complete ends the open transaction, or takes a keepalive for an empty one.
// Either passes the window like a change, so it can never be confirmed before
// something that stands in front of it.
func (l *Log) complete(now time.Time, end wal.LSN) {
	wasOpen, upTo := l.isOpen, wal.Before(end)
	switch {
	case wasOpen && end <= l.head.LSN:
		return // a keepalive amid a transaction; its commit is yet to come
	case !wasOpen && upTo.Compare(l.head) <= 0:
		return // came again
	case upTo.Compare(l.head) > 0:
		l.head = upTo
	}
	l.isOpen = false
	c := l.tail(now)
	c.end, c.upTo, c.last = end, l.head, now
}

// newest is the chunk that was made last, nil if it has left.
func (l *Log) newest() *chunk {
	if len(l.chunks) == 0 {
		return nil
	}
	return l.chunks[len(l.chunks)-1]
}

// tail is the chunk that additions go to. A chunk takes them for a fraction of
// the window only, as it leaves when the newest is old enough.
func (l *Log) tail(now time.Time) *chunk {
	c := l.newest()
	if c == nil || now.Sub(c.first) > max(l.config.Window/chunkParts, chunkTime) {
		return l.grow(now)
	}
	return c
}

func (l *Log) grow(now time.Time) *chunk {
	c := &chunk{first: now, last: now, upTo: l.head}
	if newest := l.newest(); newest != nil {
		newest.next = c
	}
	l.chunks = append(l.chunks, c)
	return c
}

// drop takes the oldest chunk out.
func (l *Log) drop() {
	c := l.chunks[0]
	l.chunks[0] = nil
	l.chunks = l.chunks[1:]
	if len(c.changes) > 0 {
		l.lost = c.newest()
		l.changes -= len(c.changes)
		l.bytes -= c.bytes
	}
	if c.end != 0 {
		l.confirmable = c.end
	}
	c.leave()
}

// seek finds the first change at or after p; the chunk is nil if there is none.
func (l *Log) seek(p wal.Position) (*chunk, int) {
	i := sort.Search(len(l.chunks), func(i int) bool { return l.chunks[i].upTo.Compare(p) >= 0 })
	for ; i < len(l.chunks); i++ {
		c := l.chunks[i]
		j := sort.Search(len(c.changes), func(j int) bool { return c.changes[j].Position.Compare(p) >= 0 })
		if j < len(c.changes) {
			return c, j
		}
	}
	return nil, 0
}

// broadcast wakes whoever waits for the log to move.
func (l *Log) broadcast() {
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
}

// waiting is closed when the log moves.
func (l *Log) waiting() <-chan struct{} {
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	return l.wake
}
