package changelog

import (
	"context"
	"errors"

	"walcast/replication/wal"
)

// Follow returns a cursor at Head. Before Begin that is the beginning: the
// cursor gets all that the log will have, with what is read again after a
// restart.
func (l *Log) Follow() *Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Cursor{log: l, place: place{epoch: l.epoch.number, position: l.chunks.head}}
}

// After returns a cursor whose first change is the first one after p. It fails
// with a *ResyncError when changes after p have left the log, or when the
// history has no p. Before Begin, and for a p beyond Head, it waits until the
// log has come that far (a restarted server reads the window again). When the
// deadline of ctx passes meanwhile, p is taken for unknown, with a
// *ResyncError; when ctx is cancelled, its error is returned.
func (l *Log) After(ctx context.Context, p wal.Position) (*Cursor, error) {
	return l.seek(ctx, p, func(History) bool { return true })
}

// Resume is After for a standing: one of another history fails with a
// *ResyncError once the log has begun.
func (l *Log) Resume(ctx context.Context, s Standing) (*Cursor, error) {
	return l.seek(ctx, s.Position, s.ContinuedBy)
}

// Location is where positions that a client names are in the log.
type Location struct {
	Begun   bool           // else nothing is known of the positions yet
	History History        // that they are of; zero if one of them came without provenance
	After   []wal.Position // what to go on after, for each; zero for one that is zero
}

// Locate says where a client goes on that names positions, zero for none: at the
// beginning of the transaction where another server may have counted its changes
// otherwise. It fails with a *ResyncError if one of them is known to be of another
// history.
func (l *Log) Locate(named []Named) (Location, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.contents.locate(named, false)
}

// Confirm is Locate for a client that was answered before Begin, and takes the very
// positions that it has named for those after which it goes on. One that is not so is
// unknown.
func (l *Log) Confirm(named []Named) (Location, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.contents.locate(named, true)
}

// seek waits until the log can answer for p, and returns a cursor behind it if
// the log's history is one that p may belong to.
func (l *Log) seek(ctx context.Context, p wal.Position, belongs func(History) bool) (*Cursor, error) {
	for {
		c, wait, err := l.at(p, belongs)
		if wait == nil {
			return c, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, l.unknown(p)
			}
			return nil, ctx.Err()
		}
	}
}

// at returns a cursor behind p, an error, or what to wait for.
func (l *Log) at(p wal.Position, belongs func(History) bool) (*Cursor, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.epoch.begun():
		return nil, l.moved.wait(), nil
	case !belongs(l.epoch.history):
		return nil, nil, l.resync(l.epoch.reason, p)
	case p.Compare(l.epoch.start) < 0 && l.epoch.reason != "":
		return nil, nil, l.resync(l.epoch.reason, p)
	case p.Compare(l.chunks.lost) < 0:
		return nil, nil, l.resync(CodeTooOld, p)
	case p.Compare(l.chunks.head) > 0:
		return nil, l.moved.wait(), nil
	}
	to, err := l.placeAfter(p)
	if err != nil {
		return nil, nil, err
	}
	return &Cursor{log: l, place: to}, nil, nil
}

// unknown is the error for a position that the log has not reached in time.
func (l *Log) unknown(p wal.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.resync(CodeUnknown, p)
}

// Reach moves a standing over what holds no changes: to Head if nothing comes
// after it, so that a quiet consumer does not fall behind. A standing of another
// history, or one after which changes have left the log, stays.
func (l *Log) Reach(s Standing) Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.History == l.epoch.history && s.Position.Compare(l.chunks.left()) >= 0 &&
		s.Position.Compare(l.chunks.last()) >= 0 && s.Position.Compare(l.chunks.head) < 0 {
		s.Position = l.chunks.head
	}
	return s
}
