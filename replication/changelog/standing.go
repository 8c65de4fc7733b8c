package changelog

import (
	"context"
	"time"

	"walcast/replication/wal"
)

// Standing is a position with the history that it belongs to, so that it can be
// told from the same numbers of another one.
type Standing struct {
	History  History
	Position wal.Position
}

// continuedBy reports whether the standing's position can be looked for in h.
// One without a slot was kept over a restart, after which the names of a slot's
// generations begin anew; then the system has to do.
func (s Standing) continuedBy(h History) bool {
	return s.History == h || s.History.Slot == "" && s.History.System == h.System
}

// Standing is Live with the history that it belongs to; zero before Begin.
func (l *Log) Standing() Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live.Compare(l.head) > 0 {
		return Standing{l.history, l.live}
	}
	return Standing{l.history, l.head}
}

// Reach moves a standing over what holds no changes: to Head if nothing comes
// after it, so that who is quiet does not fall behind. A standing of another
// history, or one after which changes have left the log, stays.
func (l *Log) Reach(s Standing) Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.History != l.history || s.Position.Compare(l.lost) < 0 || s.Position.Compare(l.head) >= 0 {
		return s
	}
	for i := len(l.chunks) - 1; i >= 0; i-- {
		changes := l.chunks[i].changes
		if n := len(changes); n > 0 {
			if changes[n-1].Position.Compare(s.Position) > 0 {
				return s
			}
			break
		}
	}
	s.Position = l.head
	return s
}

// Resume is After for a standing: one of another history fails with a
// *ResyncError once the log has begun.
func (l *Log) Resume(ctx context.Context, s Standing) (*Cursor, error) {
	if err := l.await(ctx, s); err != nil {
		return nil, err
	}
	c, err := l.After(ctx, s.Position)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.epoch != l.epoch || !s.continuedBy(l.history) {
		return nil, l.resync(l.reason, s.Position)
	}
	return c, nil
}

// await waits for the log to begin and compares histories.
func (l *Log) await(ctx context.Context, s Standing) error {
	for {
		l.mu.Lock()
		if l.epoch > 0 {
			defer l.mu.Unlock()
			if !s.continuedBy(l.history) {
				return l.resync(l.reason, s.Position)
			}
			return nil
		}
		wait := l.waiting()
		l.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			_, err := l.After(ctx, s.Position) // words what it is to wait in vain
			return err
		}
	}
}

// Window is how long a change stays before it may leave, if there is room.
func (l *Log) Window() time.Duration { return l.config.Window }

// Reason is why the present history began, as Begin was told; "" where it goes
// on from an earlier run.
func (l *Log) Reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

// Standing is the cursor's position with its history, which is zero if the log
// has begun another since.
func (c *Cursor) Standing() Standing {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if c.epoch != c.log.epoch {
		return Standing{Position: c.position}
	}
	return Standing{c.log.history, c.position}
}
