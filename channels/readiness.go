package channels

import (
	"context"
	"sync"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// readiness tells channels that asked for it that messages from SQL arrive, as
// soon as the log has begun. If it has not begun in time the channel is warned.
// Upstream ends the channel then; here it stays, as the rest of it works.
type readiness struct {
	log  *changelog.Log
	wake chan struct{}

	mu      sync.Mutex
	waiting map[*channel]time.Time // when each is to be warned; zero once it was
}

// readinessLimit is how long a channel waits before it is warned.
const readinessLimit = time.Minute

func newReadiness(log *changelog.Log) *readiness {
	return &readiness{log: log, wake: make(chan struct{}, 1), waiting: map[*channel]time.Time{}}
}

// isFollowing reports whether the log has begun.
func (r *readiness) isFollowing() bool { return r.log.History() != (changelog.History{}) }

// tell tells a channel now or later.
func (r *readiness) tell(c *channel) {
	if r.isFollowing() {
		c.system(protocol.ExtensionSystem, protocol.StatusOK, protocol.MessageReplicationReady)
		return
	}
	r.mu.Lock()
	r.waiting[c] = now().Add(readinessLimit)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run tells channels until ctx is done.
func (r *readiness) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if r.due(now()) == 0 {
			select {
			case <-ctx.Done():
			case <-r.wake:
			}
			continue
		}
		wait, cancel := context.WithTimeout(ctx, time.Second)
		_, _ = r.log.After(wait, wal.Position{}) // waits for the log to begin
		cancel()
	}
	return nil
}

// due tells all channels if the log has begun, and warns those that have waited
// for too long. It returns how many still wait.
func (r *readiness) due(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	isFollowing := r.isFollowing()
	for c, until := range r.waiting {
		switch {
		case c.ended.Load():
		case isFollowing:
			c.system(protocol.ExtensionSystem, protocol.StatusOK, protocol.MessageReplicationReady)
		case !until.IsZero() && now.After(until):
			c.system(protocol.ExtensionSystem, protocol.StatusOK, protocol.Warning(protocol.MessageReplicationAway))
			r.waiting[c] = time.Time{}
			continue
		default:
			continue
		}
		delete(r.waiting, c)
	}
	return len(r.waiting)
}
