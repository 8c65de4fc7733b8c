package changelog

import (
	"sort"
	"time"

	"walcast/replication/wal"
)

const (
	chunkChanges = 1024                  // changes in a chunk at most
	chunkParts   = 64                    // a chunk has at most one 64th of the log's bytes, and takes additions for one 64th of the window
	chunkTime    = 10 * time.Millisecond // a chunk takes additions for this long at least
)

// chunk is a stretch of the log that leaves as a whole, so that neither a
// change nor a transaction needs bookkeeping of its own. Cursors share slices
// of changes: entries are added behind them and never altered.
type chunk struct {
	changes     []*wal.Change
	upTo        wal.Position // how far the log was complete after the newest addition
	first, last time.Time    // of the additions
	bytes       int64
	commits     int     // how many of the changes only end a transaction
	least, most uint32  // ids of the transactions: all are between, as ids of 32 bits compare
	end         wal.LSN // of the newest transaction or keepalive completed in it, 0 if none
	next        *chunk
	isGone      bool // it has left the log
}

// newest is the position of the newest change, zero if there is none.
func (c *chunk) newest() wal.Position {
	if len(c.changes) == 0 {
		return wal.Position{}
	}
	return c.changes[len(c.changes)-1].Position
}

// note widens the range of ids for a change that is about to be added.
func (c *chunk) note(xid uint32) {
	switch {
	case len(c.changes) == 0:
		c.least, c.most = xid, xid
	case int32(xid-c.least) < 0:
		c.least = xid
	case int32(xid-c.most) > 0:
		c.most = xid
	}
}

// leave lets go of the changes, as idle cursors may still point here.
func (c *chunk) leave() {
	c.isGone, c.changes, c.next = true, nil, nil
}

// chunks is what the log holds, oldest first, and where it begins and ends. It
// has no lock and no clock of its own: the log's lock guards it.
type chunks struct {
	config Config

	list    []*chunk
	bytes   int64 // of all changes
	changes int   // how many there are, Commits not counted

	head        wal.Position // complete up to here
	lost        wal.Position // the newest change that has left; a Commit does not count
	ending      *wal.Change  // the Commit that has left after it; nil if none has
	gone        gone         // the transactions that have left last
	isOpen      bool         // head is in the middle of a transaction
	confirmable wal.LSN      // the end of the newest transaction that has left completely, 0 if none has
}

// clear lets all changes go and starts anew at a position.
func (cs *chunks) clear(start wal.Position) {
	for _, c := range cs.list {
		c.leave()
	}
	*cs = chunks{config: cs.config, head: start, lost: start}
}

// push adds a change.
func (cs *chunks) push(now time.Time, change *wal.Change) {
	size := int64(max(change.Bytes, 1))
	c := cs.open(now)
	isFull := cs.config.Bytes > 0 && c.bytes+size > max(cs.config.Bytes/chunkParts, 1)
	if len(c.changes) > 0 && (isFull || len(c.changes) == chunkChanges) {
		c = cs.grow(now)
	}
	c.note(change.XID)
	c.changes = append(c.changes, change)
	c.bytes += size
	cs.bytes += size
	if change.Operation == wal.Commit {
		c.commits++
	} else {
		cs.changes++
	}
	cs.head, cs.isOpen = change.Position, true
	c.upTo, c.last = cs.head, now
}

// complete ends the open transaction, or takes a keepalive for an empty one. Its
// end stays in a chunk for as long as a change would, so that it is not confirmed
// to Postgres while changes before it are still in the log.
func (cs *chunks) complete(now time.Time, end wal.LSN) {
	wasOpen, upTo := cs.isOpen, wal.Before(end)
	switch {
	case wasOpen && end <= cs.head.LSN:
		return // a keepalive amid a transaction; its commit is yet to come
	case !wasOpen && upTo.Compare(cs.head) <= 0:
		return // came again
	case upTo.Compare(cs.head) > 0:
		cs.head = upTo
	}
	cs.isOpen = false
	c := cs.open(now)
	c.end, c.upTo, c.last = end, cs.head, now
}

// open is the chunk that additions go to. A chunk takes them for a fraction of
// the window only, as it leaves when its newest addition is old enough.
func (cs *chunks) open(now time.Time) *chunk {
	if n := len(cs.list); n > 0 {
		if c := cs.list[n-1]; now.Sub(c.first) <= max(cs.config.Window/chunkParts, chunkTime) {
			return c
		}
	}
	return cs.grow(now)
}

func (cs *chunks) grow(now time.Time) *chunk {
	c := &chunk{first: now, last: now, upTo: cs.head}
	if n := len(cs.list); n > 0 {
		cs.list[n-1].next = c
	}
	cs.list = append(cs.list, c)
	return c
}

// drop takes the oldest chunk out.
func (cs *chunks) drop() {
	c := cs.list[0]
	cs.list[0] = nil
	cs.list = cs.list[1:]
	if len(c.changes) > 0 {
		cs.lose(c.changes)
		cs.changes -= len(c.changes) - c.commits
		cs.bytes -= c.bytes
	}
	if c.end != 0 {
		cs.confirmable = c.end
	}
	c.leave()
}

// lose notes that changes have left. A Commit that was the last of them is kept, so
// that a client which has everything before it need not be told of a loss.
func (cs *chunks) lose(changes []*wal.Change) {
	last := len(changes) - 1
	cs.gone.add(changes)
	cs.ending = nil
	if changes[last].Operation == wal.Commit {
		cs.ending = changes[last]
		last-- // which is a change of the same transaction, in this chunk or the one before
	}
	if last >= 0 {
		cs.lost = changes[last].Position
	}
}

// left is the position of the newest change that has left, be it a Commit.
func (cs *chunks) left() wal.Position {
	if cs.ending != nil {
		return cs.ending.Position
	}
	return cs.lost
}

// trim drops what the limit of bytes has no room for. The newest chunk stays.
func (cs *chunks) trim() {
	for cs.config.Bytes > 0 && cs.bytes > cs.config.Bytes && len(cs.list) > 1 {
		cs.drop()
	}
}

// hasExpired reports whether there is an oldest chunk and all of it has left
// the window.
func (cs *chunks) hasExpired(now time.Time) bool {
	return len(cs.list) > 0 && now.Sub(cs.list[0].last) >= cs.config.Window
}

// displaced is the newest change that would leave if so many bytes were added,
// zero if none would.
func (cs *chunks) displaced(bytes int64) (newest wal.Position) {
	if cs.config.Bytes == 0 {
		return newest
	}
	over := cs.bytes + bytes - cs.config.Bytes
	for i := 0; i < len(cs.list) && over > 0; i++ {
		if c := cs.list[i]; len(c.changes) > 0 {
			newest = c.newest()
			over -= c.bytes
		}
	}
	return newest
}

// last is the position of the newest change that is held, zero if there is none.
func (cs *chunks) last() wal.Position {
	for i := len(cs.list) - 1; i >= 0; i-- {
		if c := cs.list[i]; len(c.changes) > 0 {
			return c.newest()
		}
	}
	return wal.Position{}
}

// seek finds the first change at or after p; the chunk is nil if there is none.
func (cs *chunks) seek(p wal.Position) (*chunk, int) {
	i := sort.Search(len(cs.list), func(i int) bool { return cs.list[i].upTo.Compare(p) >= 0 })
	for ; i < len(cs.list); i++ {
		c := cs.list[i]
		j := sort.Search(len(c.changes), func(j int) bool { return c.changes[j].Position.Compare(p) >= 0 })
		if j < len(c.changes) {
			return c, j
		}
	}
	return nil, 0
}
