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
	r.add(c, now().Add(readinessLimit))
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

func (r *readiness) add(c *channel, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[c] = until
}

// due tells all channels if the log has begun, and warns those that have waited
// for too long. It returns how many still wait.
func (r *readiness) due(now time.Time) int {
	message := protocol.Warning(protocol.MessageReplicationAway)
	isFollowing := r.isFollowing()
	if isFollowing {
		message = protocol.MessageReplicationReady
	}
	due, left := r.take(now, isFollowing)
	for _, c := range due {
		c.system(protocol.ExtensionSystem, protocol.StatusOK, message)
	}
	return left
}

// take forgets the channels that have ended, and returns those that are to be
// told: all of them, or those that have waited for too long, which go on
// waiting. left is how many wait.
func (r *readiness) take(now time.Time, all bool) (due []*channel, left int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c, until := range r.waiting {
		switch {
		case c.ended.Load():
			delete(r.waiting, c)
		case all:
			due = append(due, c)
			delete(r.waiting, c)
		case !until.IsZero() && now.After(until):
			due = append(due, c)
			r.waiting[c] = time.Time{}
		}
	}
	return due, len(r.waiting)
}
