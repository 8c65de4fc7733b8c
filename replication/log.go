package replication

import (
	"context"
	"time"
)

// LogConfig bounds what the log keeps.
type LogConfig struct {
	Bytes  int64         // changes held at most, in bytes; older ones leave first
	Window time.Duration // how long a change stays before it may leave, if Bytes allow
}

// Log is the bounded, ordered history of changes, the only thing consumers
// read. One goroutine appends, any number read through cursors; no reader can
// slow the appender. All methods may be called at once.
type Log struct{}

// NewLog returns an empty log that is not yet Begun.
func NewLog(c LogConfig) *Log { panic("contract") }

// Begin tells where the log's history starts: everything that commits at start
// or later will be appended. A second Begin with another history makes every
// cursor fail with a *ResyncError that carries reason.
func (l *Log) Begin(h History, start LSN, reason string) { panic("contract") }

// Append adds changes in order. end is the end LSN of the transaction when the
// batch completes one (or the position of a keepalive, then changes is empty),
// 0 in the middle of one. Changes at or below Head are dropped: they came again
// after a reconnect. Append never blocks.
func (l *Log) Append(now time.Time, changes []*Change, end LSN) { panic("contract") }

// Release drops what has left the window and returns the LSN that may be
// confirmed to Postgres: the end of the last transaction that left, 0 if none.
func (l *Log) Release(now time.Time) LSN { panic("contract") }

// Head is the position up to which the log is complete; what commits from now
// on comes after it.
func (l *Log) Head() Position { panic("contract") }

// Oldest is the position after which the log has everything.
func (l *Log) Oldest() Position { panic("contract") }

// After returns a cursor whose first change is the first one after p. It fails
// with a *ResyncError when changes after p have left the log, or when p is of
// another history; for a p beyond Head it waits until the log has come that
// far (a restarted server reads the window again) or ctx ends.
func (l *Log) After(ctx context.Context, p Position) (*Cursor, error) { panic("contract") }

// Follow returns a cursor at Head.
func (l *Log) Follow() *Cursor { panic("contract") }

// Cursor is a consumer's place in the log. It belongs to one goroutine.
type Cursor struct{}

// Next waits for changes after the cursor, returns up to limit of them and
// moves behind them. The slice is shared and read-only. It fails with ctx's
// error or with a *ResyncError, after which the cursor stands at Head.
func (c *Cursor) Next(ctx context.Context, limit int) ([]*Change, error) { panic("contract") }

// Position is the position of the last change that Next returned, or where the
// cursor started; everything after it is still to come.
func (c *Cursor) Position() Position { panic("contract") }

// History identifies one continuous WAL history; positions of two histories
// do not compare.
type History struct {
	System   string // IDENTIFY_SYSTEM's systemid
	Timeline int32
	Slot     string // slot name and what tells its generations apart
}
