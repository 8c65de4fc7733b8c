package live

import (
	"context"
	"time"

	"walcast/policy"
)

// batch is equal requests, which share a snapshot. The lock of Snapshots guards it.
type batch struct {
	key     requestKey
	request SnapshotRequest
	users   int
	number  uint64    // in the order of beginning; 0 while it waits
	began   time.Time // when it was begun last
	tried   tried     // belongs to the worker
	cancel  context.CancelFunc
	done    chan struct{} // closed at the end
	ended   time.Time     // zero before
	taken   *Snapshot
	err     error
	bytes   int64
}

// tried is what attempts to read a snapshot have found.
type tried struct {
	spelled  int // which of the spellings is tried
	internal int // how many internal errors were taken for such of a moment
}

// account is whose snapshot it is.
func (b *batch) account() policy.Account { return b.key.subject.Account() }

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
	if !b.ended.IsZero() {
		s.tidy(b)
		return
	}
	switch s.unlist(b); {
	case b.number == 0:
		s.line.remove(b)
	case b.cancel != nil: // nobody waits for what is being read
		b.cancel()
	}
}

// unlist has later requests take a snapshot of their own. s.mu must be held.
func (s *Snapshots) unlist(b *batch) {
	if s.shared[b.key] == b {
		delete(s.shared, b.key)
	}
}

// tidy gives the memory of a batch back that nobody has and nobody can have any more.
// s.mu must be held.
func (s *Snapshots) tidy(b *batch) {
	if b.users == 0 && !b.ended.IsZero() && s.shared[b.key] != b {
		s.drop(b)
	}
}
