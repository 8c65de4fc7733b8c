package changelog

import (
	"sync"
	"time"

	"walcast/replication/wal"
)

// Log is the bounded, ordered history of changes, the only thing consumers
// read. One goroutine appends, any number read through cursors. Append waits for
// none of them; Await does, for those that hold. All methods may be called at
// once.
type Log struct {
	window time.Duration // of the Config

	// mu guards all that follows and what cursors share with the log: the
	// place of a cursor, and the chunk that it points to. It is held for a few
	// steps at a time, never while waiting.
	mu sync.Mutex
	contents
	holders holders
	moved   signal // fires when head or history moves
	read    signal // fires when a cursor that holds may have moved
}

// Stats is what the log holds at one moment.
type Stats struct {
	Bytes        int64        // memory of the changes, counted by Change.Bytes
	Changes      int          // how many there are, Commits not counted
	Oldest, Head wal.Position // see the methods of these names
}

// New returns an empty log that is not yet Begun. Cursors may be had before
// that: Follow stands at the beginning, After waits.
func New(c Config) *Log { return &Log{window: c.Window, contents: contents{chunks: chunks{config: c}}} }

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
	if l.epoch.begun() && l.epoch.history == h {
		if from.Compare(l.chunks.head) <= 0 {
			return
		}
		if reason == "" {
			reason = CodeSlotAdvanced
		}
	}
	l.chunks.clear(from)
	l.epoch.next(h, from, reason)
	l.source.begin()
	l.moved.fire()
}

// ReadFrom tells what the log is read from, before Begin and at every connect.
func (l *Log) ReadFrom(s Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.source.changeTo(s, l.chunks.head)
}

// Refill tells that what commits before until is old: it happened while the
// server did not read, or is read again after a restart. See Live.
func (l *Log) Refill(until wal.LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := wal.Before(until)
	if p.Compare(l.epoch.live) <= 0 {
		return
	}
	if l.epoch.past == l.epoch.start {
		l.epoch.past = p
	}
	l.epoch.live = p
}

// Append adds changes in order. end is the end LSN of the transaction when the
// batch completes one (or the position of a keepalive outside of transactions,
// then changes is empty), 0 in the middle of one. Changes at or below Head are
// dropped: they came again after a reconnect. Append never blocks. It panics
// on a log that has not Begun.
func (l *Log) Append(now time.Time, changes []*wal.Change, end wal.LSN) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.epoch.begun() {
		panic("changelog: Append before Begin")
	}
	head := l.chunks.head
	for _, c := range changes {
		if c.Position.Compare(l.chunks.head) > 0 {
			l.chunks.push(now, c)
		}
	}
	if end != 0 {
		l.chunks.complete(now, end)
	}
	l.chunks.trim()
	if l.chunks.head != head {
		l.moved.fire()
	}
}

// Release drops what has left the window and is not held, and returns the LSN
// that may be confirmed to Postgres: the end of the last transaction that has
// left completely, 0 if none has in this history.
func (l *Log) Release(now time.Time) wal.LSN {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.chunks.hasExpired(now) && l.holders.slowest(l.epoch.number, l.chunks.list[0].newest()) == nil {
		l.chunks.drop()
	}
	return l.chunks.confirmable
}

// Head is the position up to which the log is complete; what commits from now
// on comes after it.
func (l *Log) Head() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chunks.head
}

// Live is where a consumer starts that wants only what commits from now on:
// Head, or the end of what is being read again.
func (l *Log) Live() wal.Position { return l.Standing().Position }

// Standing is Live with the history that it belongs to; zero before Begin.
func (l *Log) Standing() Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch.live.Compare(l.chunks.head) > 0 {
		return Standing{l.epoch.history, l.epoch.live}
	}
	return Standing{l.epoch.history, l.chunks.head}
}

// End is Head with the history that it belongs to; zero before Begin.
func (l *Log) End() Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Standing{l.epoch.history, l.chunks.head}
}

// Beginning is where the log began, for a consumer that was there before that and
// has read nothing yet. It is zero before Begin, and once there is another history.
func (l *Log) Beginning() Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch.number != 1 {
		return Standing{}
	}
	return Standing{l.epoch.history, l.epoch.start}
}

// Past is the end of what had been committed when the history began, as the first
// Refill was told: what comes after it is new to a consumer that was there before.
func (l *Log) Past() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch.past
}

// Refilled is the end of what is read again, as Refill was told: what comes
// after it is new to all consumers.
func (l *Log) Refilled() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch.live
}

// Oldest is the position after which the log has everything.
func (l *Log) Oldest() wal.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chunks.lost
}

// Provenance is what clients are given with a position of the log; zero if nobody has
// told what the log is read from.
func (l *Log) Provenance(p wal.Position) Provenance {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.epoch.begun() || l.source.issued == (Provenance{}) {
		return Provenance{}
	}
	return l.source.of(p)
}

// History is the present history, zero before Begin.
func (l *Log) History() History {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch.history
}

// Reason is why the present history began, as Begin was told; "" where it goes
// on from an earlier run.
func (l *Log) Reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch.reason
}

// FirstReason is Reason while the log has its first history, and "" before and after: the
// later ones say nothing of whether there was something before the log.
func (l *Log) FirstReason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch.number > 1 {
		return ""
	}
	return l.epoch.reason
}

// Window is how long a change stays before it may leave, if there is room.
func (l *Log) Window() time.Duration { return l.window }

// Stats says how much the log holds.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Bytes: l.chunks.bytes, Changes: l.chunks.changes, Oldest: l.chunks.lost, Head: l.chunks.head}
}
