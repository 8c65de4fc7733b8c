package changelog

import (
	"context"
	"errors"
	"sync"
	"time"

	"walcast/replication/wal"
)

// Config bounds what the log keeps.
type Config struct {
	Bytes  int64         // changes held at most, in bytes; older ones leave first. 0 is no limit
	Window time.Duration // how long a change stays before it may leave, if Bytes allow
}

// Log is the bounded, ordered history of changes, the only thing consumers
// read. One goroutine appends, any number read through cursors. Append waits for
// none of them; Await does, for those that hold. All methods may be called at
// once.
type Log struct {
	config Config

	mu      sync.Mutex // held for a few steps at a time, never while waiting
	history History
	reason  string       // why it began
	epoch   int          // counts the histories; 0 before Begin
	start   wal.Position // where the present history starts
	live    wal.Position // up to here changes are read again

	chunks  []*chunk // oldest first
	bytes   int64
	changes int

	head        wal.Position // complete up to here
	lost        wal.Position // the newest change that has left
	isOpen      bool         // head is in the middle of a transaction
	confirmable wal.LSN

	wake chan struct{} // closed when head or history moves; nil while nobody waits

	holders []*Cursor     // see Hold
	stirred chan struct{} // closed when one of them moves; nil while the reader does not wait
}

// History identifies one continuous WAL history; positions of two histories
// do not compare.
type History struct {
	System   string // IDENTIFY_SYSTEM's systemid
	Timeline int32
	Slot     string // slot name and what tells its generations apart
}

// Stats is what the log holds at one moment.
type Stats struct {
	Bytes        int64
	Changes      int
	Oldest, Head wal.Position
}

// New returns an empty log that is not yet Begun. Cursors may be had before
// that: Follow stands at the beginning, After waits.
func New(c Config) *Log { return &Log{config: c} }

// Begin tells where the log's history starts: everything that commits at start
// or later will be appended. It is called at every connect. With the history
// that the log has and a start that it has reached, nothing happens. Otherwise
// the log is emptied and every cursor fails with a *ResyncError that carries
// reason: one of the Code constants, or a sentence. A first Begin has a reason
// if what clients may ask for is of an earlier history.
func (l *Log) Begin(h History, start wal.LSN, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := wal.Before(start)
	isGap := from.Compare(l.head) > 0
	if l.epoch > 0 && l.history == h && !isGap {
		return
	}
	if l.epoch > 0 && l.history == h && reason == "" {
		reason = CodeSlotAdvanced
	}
	for _, c := range l.chunks {
		c.leave()
	}
	l.chunks, l.bytes, l.changes = nil, 0, 0
	l.epoch++
	l.history, l.reason = h, reason
	l.start, l.head, l.lost, l.live = from, from, from, from
	l.isOpen, l.confirmable = false, 0
	l.broadcast()
}

// Refill tells that what commits before until is old: it happened while nobody
// read, or is read again after a restart. See Live.
func (l *Log) Refill(until wal.LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := wal.Before(until); p.Compare(l.live) > 0 {
		l.live = p
	}
}

// Append adds changes in order. end is the end LSN of the transaction when the
// batch completes one (or the position of a keepalive outside of transactions,
// then changes is empty), 0 in the middle of one. Changes at or below Head are
// dropped: they came again after a reconnect. Append never blocks. It panics
// on a log that has not Begun.
func (l *Log) Append(now time.Time, changes []*wal.Change, end wal.LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == 0 {
		panic("changelog: Append before Begin")
	}
	head := l.head
	for _, c := range changes {
		if c.Position.Compare(l.head) > 0 {
			l.push(now, c)
		}
	}
	if end != 0 {
		l.complete(now, end)
	}
	for l.config.Bytes > 0 && l.bytes > l.config.Bytes && len(l.chunks) > 1 {
		l.drop()
	}
	if l.head != head {
		l.broadcast()
	}
}

// Release drops what has left the window and is not held, and returns the LSN
// that may be confirmed to Postgres: the end of the last transaction that has
// left completely, 0 if none has in this history.
func (l *Log) Release(now time.Time) wal.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.chunks) > 0 && now.Sub(l.chunks[0].last) >= l.config.Window && l.hindmost(l.chunks[0].newest()) == nil {
		l.drop()
	}
	return l.confirmable
}

// Head is the position up to which the log is complete; what commits from now
// on comes after it.
func (l *Log) Head() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Live is where somebody starts who wants only what commits from now on: Head,
// or the end of what is being read again.
func (l *Log) Live() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live.Compare(l.head) > 0 {
		return l.live
	}
	return l.head
}

// Refilled is the end of what is read again, as Refill was told: what comes
// after it is news to everybody.
func (l *Log) Refilled() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live
}

// Oldest is the position after which the log has everything.
func (l *Log) Oldest() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// History is the present history, zero before Begin.
func (l *Log) History() History {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.history
}

// Stats says how much the log holds.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Bytes: l.bytes, Changes: l.changes, Oldest: l.lost, Head: l.head}
}

// After returns a cursor whose first change is the first one after p. It fails
// with a *ResyncError when changes after p have left the log, or when the
// history has no p. Before Begin, and for a p beyond Head, it waits until the
// log has come that far (a restarted server reads the window again). When the
// deadline of ctx passes meanwhile, p is taken for unknown, with a
// *ResyncError; when ctx is cancelled, its error is returned.
func (l *Log) After(ctx context.Context, p wal.Position) (*Cursor, error) {
	for {
		c, wait, err := l.at(p)
		if wait == nil {
			return c, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, ctx.Err()
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			return nil, l.resync(CodeUnknown, p)
		}
	}
}

// at returns a cursor behind p, an error, or what to wait for.
func (l *Log) at(p wal.Position) (*Cursor, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.epoch == 0:
		return nil, l.waiting(), nil
	case p.Compare(l.start) < 0 && l.reason != "":
		return nil, nil, l.resync(l.reason, p)
	case p.Compare(l.lost) < 0:
		return nil, nil, l.resync(CodeTooOld, p)
	case p.Compare(l.head) > 0:
		return nil, l.waiting(), nil
	}
	c := &Cursor{log: l, epoch: l.epoch, position: p}
	c.chunk, c.index = l.seek(p)
	switch {
	case c.chunk != nil && c.chunk.changes[c.index].Position == p:
		c.index++
	case isCommit(p.LSN) && p != l.lost && p != l.head:
		return nil, nil, l.resync(CodeUnknown, p)
	}
	return c, nil, nil
}

// isCommit reports whether a commit record may start at lsn: records are
// aligned. Other positions stand for "complete up to here", see Before.
func isCommit(lsn wal.LSN) bool { return lsn%8 == 0 }

// resync is the error for a consumer that came from a position. l.mu is held.
func (l *Log) resync(reason string, from wal.Position) *ResyncError {
	code, text := resyncCause(reason)
	return &ResyncError{Reason: text, Code: code, From: from, Oldest: l.lost, Position: l.head, History: l.history}
}

// Follow returns a cursor at Head. Before Begin that is the beginning: the
// cursor gets all that the log will have, with what is read again after a
// restart.
func (l *Log) Follow() *Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Cursor{log: l, epoch: l.epoch, position: l.head}
}
