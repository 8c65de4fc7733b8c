package live

import (
	"context"
	"errors"
	"time"
)

// batch is equal requests, which share a snapshot. The lock of Snapshots guards it.
type batch struct {
	key     requestKey
	request SnapshotRequest
	users   int
	number  uint64    // in the order of beginning; 0 while it waits
	began   time.Time // when it was begun last
	spelled int       // which of the spellings is tried; belongs to the worker
	cancel  context.CancelFunc
	done    chan struct{} // closed at the end
	ended   time.Time     // zero before
	taken   *Snapshot
	err     error
	bytes   int64
}

// Asked is a snapshot that one channel has asked for.
type Asked struct {
	of       *Snapshots
	batch    *batch
	released bool
}

// Done is closed when there is a Result.
func (a *Asked) Done() <-chan struct{} { return a.batch.done }

// Result is the snapshot, once Done is closed. Its error is a *RefusedError or an
// *AwayError.
func (a *Asked) Result() (*Snapshot, error) { return a.batch.taken, a.batch.err }

// Release gives the snapshot back, or withdraws the question. Its rows must not be
// asked for any more. Only one goroutine may call it; calls after the first do nothing.
func (a *Asked) Release() {
	if a == nil || a.released {
		return
	}
	a.released = true
	a.of.release(a.batch)
}

func (s *Snapshots) release(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.users--; b.users > 0 {
		return
	}
	switch {
	case !b.ended.IsZero():
		s.tidy(b)
	case b.number == 0:
		s.line.remove(b)
		if s.shared[b.key] == b {
			delete(s.shared, b.key)
		}
	default: // nobody waits for what is being read
		if s.shared[b.key] == b {
			delete(s.shared, b.key)
		}
		if b.cancel != nil {
			b.cancel()
		}
	}
}

// tidy gives the memory of a batch back that nobody has and nobody can have any more.
// s.mu must be held.
func (s *Snapshots) tidy(b *batch) {
	if b.users == 0 && !b.ended.IsZero() && s.shared[b.key] != b {
		s.drop(b)
	}
}

// drop gives the memory of a batch back. s.mu must be held.
func (s *Snapshots) drop(b *batch) {
	if b.taken != nil {
		b.taken.drop()
	}
	s.bytes -= b.bytes
	b.bytes = 0
	delete(s.held, b)
	s.changed.Broadcast()
}

// give is drop for what a worker has read and does not use.
func (s *Snapshots) give(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(b)
}

// errNoRoom means that a snapshot has to be taken later, as others need the memory.
var errNoRoom = errors.New("no room for the snapshot yet")

// errTooLarge means that a snapshot alone takes more than the memory of all.
var errTooLarge = errors.New("the snapshot is larger than snapshot-memory")

// grow takes memory for what was read of a batch. The one that was begun first waits
// until there is enough; others give up what they have, so that no two wait for each
// other.
func (s *Snapshots) grow(ctx context.Context, b *batch, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.bytes += bytes
	s.bytes += bytes
	s.held[b] = struct{}{}
	if b.bytes > s.config.SnapshotBytes {
		return errTooLarge
	}
	for s.bytes > s.config.SnapshotBytes {
		if !s.isFirst(b) {
			return errNoRoom
		}
		if err := ctx.Err(); err != nil {
			return &AwayError{cause: err}
		}
		if !s.revoke() {
			s.await(ctx)
		}
	}
	return nil
}

// isFirst reports whether a batch was begun before all others that are being read.
func (s *Snapshots) isFirst(b *batch) bool {
	for o := range s.held {
		if o.ended.IsZero() && o.number < b.number {
			return false
		}
	}
	return true
}

// isReading reports whether a snapshot is being read that has memory.
func (s *Snapshots) isReading() bool {
	for b := range s.held {
		if b.ended.IsZero() {
			return true
		}
	}
	return false
}

// revoke takes the rows away that were read first, if their clients have had long
// enough to take them. It is false if there are none.
func (s *Snapshots) revoke() bool {
	var oldest *batch
	for b := range s.held {
		if !b.ended.IsZero() && time.Since(b.ended) > s.config.SnapshotTimeout && (oldest == nil || b.ended.Before(oldest.ended)) {
			oldest = b
		}
	}
	if oldest == nil {
		return false
	}
	s.metrics.revoked.Inc()
	s.drop(oldest)
	return true
}

// await waits until something has changed, a moment at most: what may be revoked
// depends on the time.
func (s *Snapshots) await(ctx context.Context) {
	timer := time.AfterFunc(100*time.Millisecond, s.wake)
	defer timer.Stop()
	stop := context.AfterFunc(ctx, s.wake)
	defer stop()
	s.changed.Wait()
}
