package channels

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"walcast/policy"
	"walcast/replication/changelog"
)

// readers are the channels on private topics, and their clients for as long as
// these may come back for what they miss. Whether they may still read is asked
// again and again: in turn, so that everybody is asked within read-check, and at
// once when something changes that rights depend on. One goroutine asks for all, a
// batch at a time.
type readers struct {
	policy  *policy.Policy
	config  readersConfig
	logger  *slog.Logger
	metrics *metrics
	changed changes
	watched *watched
	wake    chan struct{}
	size    atomic.Int64 // of queue

	mu     sync.Mutex
	queue  list.List // of *reader, the longest not asked first
	absent int       // of them, those whose channel has ended
	urgent urgency
}

// readersConfig is what readers go by.
type readersConfig struct {
	check  time.Duration // how often everybody is asked
	away   time.Duration // how long channels go on while nobody can be asked
	absent time.Duration // how long a client may be away and be owed something
}

const (
	// readBatch is how many readers are asked at once: one connection of the pool
	// for a moment, and others in between.
	readBatch = 256
	// readAtOnce is how many readers are asked within read-check. More are asked
	// in turn, at the same rate, though all within readSlowest.
	readAtOnce  = 5000
	readSlowest = 30 * time.Second
	// absentLimit is of how many clients that are away the right is asked. Those
	// beyond it, which are away longest, have to resync.
	absentLimit = 10_000
	// readRetry is the pause after questions that the database did not answer.
	readRetry = time.Second
)

func newReaders(c readersConfig, p *policy.Policy, log *changelog.Log, logger *slog.Logger, m *metrics) *readers {
	rs := &readers{policy: p, config: c, logger: logger, metrics: m, wake: make(chan struct{}, 1)}
	rs.watched = newWatched(p, log, rs.hurry)
	p.OnChange(rs.watched.noticed)
	return rs
}

// interval is how long after a question the next one begins, when there are n
// readers: the answer takes some time too.
func (c readersConfig) interval(n int) time.Duration {
	within := c.check
	if n > readAtOnce {
		within = max(c.check, min(readSlowest, time.Duration(float64(c.check)*float64(n)/readAtOnce)))
	}
	return within * 3 / 4
}

// age is for how long an answer is as good as everybody's, about which more is
// not known of anybody: the time between two questions, and some for the answer.
func (rs *readers) age() time.Duration {
	return 2 * rs.config.interval(int(rs.size.Load()))
}

// join has a channel asked for whose join was answered.
func (rs *readers) join(c *channel) {
	r := &reader{access: c.access, channel: c, bookmark: c.bookmark, askedAt: c.access.known().readAt}
	r.answeredAt = r.askedAt
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if c.ended.Load() {
		return // leave has been or will be called; it must find nothing
	}
	c.access.reader = r
	before := rs.queue.Back()
	for before != nil && before.Value.(*reader).askedAt.After(r.askedAt) {
		before = before.Prev() // seldom far: joins that took long are few
	}
	if before == nil {
		r.element = rs.queue.PushFront(r)
	} else {
		r.element = rs.queue.InsertAfter(r, before)
	}
	rs.counted()
	if rs.queue.Len() == 1 || rs.urgent.isDue(r.askedAt) {
		rs.stir()
	}
}

// leave takes out a channel that has ended and still has its subject. A client that
// may come back goes on being asked for.
func (rs *readers) leave(c *channel) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := c.access.reader
	if r == nil || r.element == nil {
		return
	}
	if !c.bookmark.Holds() {
		rs.remove(r)
		return
	}
	r.subject, r.channel, r.left = c.access.hold(), nil, now()
	if r.subject == nil {
		rs.remove(r)
		return
	}
	if rs.absent++; rs.absent > absentLimit {
		rs.removeOneAbsent()
	}
}

// removeOneAbsent takes out a client that is away, as there are too many.
func (rs *readers) removeOneAbsent() {
	for e := rs.queue.Front(); e != nil; e = e.Next() {
		if r := e.Value.(*reader); r.channel == nil {
			rs.remove(r)
			return
		}
	}
}

// remove ends it for a reader. The lock is held.
func (rs *readers) remove(r *reader) {
	if r.element == nil {
		return
	}
	rs.queue.Remove(r.element)
	r.element = nil
	if r.channel == nil {
		rs.absent--
		rs.policy.Release(r.subject)
		r.subject = nil
	}
	rs.counted()
}

func (rs *readers) counted() {
	rs.size.Store(int64(rs.queue.Len()))
	rs.metrics.readers.Set(float64(rs.queue.Len()))
}

// hurry has everybody asked again at once: something was seen to change that
// rights depend on.
func (rs *readers) hurry() {
	rs.changed.note(now())
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.urgent.note()
	rs.stir()
}

func (rs *readers) stir() {
	select {
	case rs.wake <- struct{}{}:
	default:
	}
}

// run asks until ctx is done.
func (rs *readers) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			rs.clear()
			return nil
		case <-rs.wake:
		case <-timer.C:
		}
		timer.Reset(rs.round(ctx))
	}
}

// clear gives back what readers hold.
func (rs *readers) clear() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for e := rs.queue.Front(); e != nil; e = rs.queue.Front() {
		rs.remove(e.Value.(*reader))
	}
}

// round asks those who are due, batch by batch, and says when the next are.
func (rs *readers) round(ctx context.Context) (wait time.Duration) {
	for ctx.Err() == nil {
		rs.watched.refresh(ctx, rs.config.check, rs.size.Load() == 0)
		batch, wait := rs.due(now())
		if len(batch) == 0 {
			return wait
		}
		if !rs.ask(ctx, batch) {
			return readRetry
		}
	}
	return readRetry
}

// due takes up those whose time has come, and says how long the next ones have.
// Readers that would be next soon anyway come along, so that batches are not of one
// each.
func (rs *readers) due(now time.Time) (batch []*reader, wait time.Duration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	interval := rs.config.interval(rs.queue.Len())
	for len(batch) < readBatch && rs.queue.Len() > 0 {
		r := rs.queue.Front().Value.(*reader)
		if len(batch) == 0 {
			rs.urgent.promote(now, r.askedAt)
		}
		early := interval / 4
		if len(batch) == 0 {
			early = 0
		}
		wait = r.askedAt.Add(interval - early).Sub(now)
		if wait > 0 && !rs.urgent.isDue(r.askedAt) {
			break
		}
		if r.channel == nil && (now.Sub(r.left) > rs.config.absent || !r.bookmark.Holds()) {
			rs.remove(r)
			continue
		}
		r.askedAt = now
		rs.queue.MoveToBack(r.element)
		batch = append(batch, r)
	}
	if rs.queue.Len() == 0 {
		return batch, time.Hour
	}
	return batch, max(time.Millisecond, min(wait, rs.urgent.wait(now)))
}
