package live

import (
	"context"
	"errors"
	"time"

	"walcast/policy"
)

// errNoRoom means that a snapshot has to be taken later, as others need the memory.
var errNoRoom = errors.New("no room for the snapshot yet")

// errTooLarge means that a snapshot alone takes more than the memory of all.
var errTooLarge = errors.New("the snapshot is larger than snapshot-memory")

// memory is what the rows of snapshots take that are read, or that clients have still to take. It
// has no lock of its own: that of Snapshots guards it.
type memory struct {
	most  int64 // bytes
	held  map[*batch]struct{}
	bytes int64 // of these
	each  map[policy.Account]int64
}

func newMemory(most int64) memory {
	return memory{most: most, held: map[*batch]struct{}{}, each: map[policy.Account]int64{}}
}

// count notes that a batch takes so many bytes more.
func (m *memory) count(b *batch, bytes int64) {
	a := b.account()
	b.bytes += bytes
	m.bytes += bytes
	if m.each[a] += bytes; m.each[a] == 0 {
		delete(m.each, a)
	}
	if m.held[b] = struct{}{}; b.bytes == 0 {
		delete(m.held, b)
	}
}

// mayBegin tells whose snapshots may be begun. None are while others have half of the
// memory, so that they need not be given up soon, unless these can be made to give some back.
func (m *memory) mayBegin() func(policy.Account) bool {
	if m.bytes <= m.most/2 || !m.isReading() {
		return func(policy.Account) bool { return true }
	}
	greedy := m.greedy()
	return func(a policy.Account) bool { return greedy != nil && a != greedy.account() }
}

// greedy is the snapshot that was read first of those that an account has still to take
// which has more than half of the memory; nil for none.
func (m *memory) greedy() *batch {
	return m.oldest(func(b *batch) bool { return m.each[b.account()] > m.most/2 })
}

// oldest is the snapshot that was read first of those that have been; nil for none.
func (m *memory) oldest(is func(b *batch) bool) (oldest *batch) {
	for b := range m.held {
		if !b.ended.IsZero() && (oldest == nil || b.ended.Before(oldest.ended)) && is(b) {
			oldest = b
		}
	}
	return oldest
}

// revocable is the snapshot whose rows are to be taken away first for another one: clients
// have had long enough to take it, or it is of an account that has more than its share. It
// is nil if there is none.
func (m *memory) revocable(by *batch, enough time.Duration) *batch {
	if b := m.oldest(func(b *batch) bool { return time.Since(b.ended) > enough }); b != nil {
		return b
	}
	if b := m.greedy(); b != nil && b.account() != by.account() {
		return b
	}
	return nil
}

// isFirst reports whether a batch was begun before all others that are being read.
func (m *memory) isFirst(b *batch) bool {
	for o := range m.held {
		if o.ended.IsZero() && o.number < b.number {
			return false
		}
	}
	return true
}

// isReading reports whether a snapshot is being read that has memory.
func (m *memory) isReading() bool {
	for b := range m.held {
		if b.ended.IsZero() {
			return true
		}
	}
	return false
}

// grow takes memory for what was read of a batch. The one that was begun first waits
// until there is enough; others give up what they have, so that no two wait for each
// other.
func (s *Snapshots) grow(ctx context.Context, b *batch, bytes int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory.count(b, bytes)
	if b.bytes > s.config.SnapshotBytes {
		return errTooLarge
	}
	for s.memory.bytes > s.config.SnapshotBytes {
		if err := ctx.Err(); err != nil {
			return &AwayError{cause: err}
		}
		if old := s.memory.revocable(b, s.config.SnapshotTimeout); old != nil {
			s.revoke(old)
			continue
		}
		if !s.memory.isFirst(b) {
			return errNoRoom
		}
		s.await(ctx)
	}
	return nil
}

// revoke takes the rows away from the clients of a batch, which ask for another. s.mu must
// be held.
func (s *Snapshots) revoke(b *batch) {
	s.metrics.revoked.Inc()
	s.unlist(b)
	s.drop(b)
}

// drop gives the memory of a batch back. s.mu must be held.
func (s *Snapshots) drop(b *batch) {
	if b.taken != nil {
		b.taken.drop()
	}
	s.memory.count(b, -b.bytes)
	s.changed.Broadcast()
}

// give is drop for what a worker has read and does not use.
func (s *Snapshots) give(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(b)
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

// size is how much memory the rows of all snapshots take.
func (s *Snapshots) size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.memory.bytes
}
