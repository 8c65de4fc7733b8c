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

// readers are the channels on private topics, and the clients of such channels
// for as long as they may come back. The database is asked again and again
// whether they may still read: about each in turn, so that each is asked
// about within read-check, and about all at once when something changes that
// rights depend on. One goroutine asks for all of them, some hundred at a time.
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
	queue  list.List // of *reader, by when the last check of each began, oldest first
	absent int       // readers whose channel has ended
	urgent urgency
}

// readersConfig is the configuration of readers.
type readersConfig struct {
	check  time.Duration // how often each reader is asked about
	away   time.Duration // how long channels go on while Postgres cannot be asked
	absent time.Duration // how long a client that is away may come back for what it has missed
}

const (
	// readTogether is how many readers are asked about at once, over one
	// connection. Others may use the connection in between.
	readTogether = 256
	// readTime is how long the checks may take of the slow readers among them,
	// going by their last ones, so that the others are asked about in time. A
	// reader is slow whose check takes longer than readQuick. Of its first one
	// is known how long the join waited for it, which counts up to readFirst.
	readTime  = time.Second
	readQuick = 20 * time.Millisecond
	readFirst = 250 * time.Millisecond
	// readAtOnce is how many readers are asked about within read-check. With
	// more readers it takes longer, at the same rate, up to readSlowest.
	readAtOnce  = 5000
	readSlowest = 30 * time.Second
	// absentLimit is how many clients that are away are asked about. If there
	// are more, those away longest are not, and have to resync.
	absentLimit = 10_000
	// readRetry is the pause after a check that Postgres did not answer.
	readRetry = time.Second
)

func newReaders(c readersConfig, p *policy.Policy, log *changelog.Log, logger *slog.Logger, m *metrics) *readers {
	rs := &readers{policy: p, config: c, logger: logger, metrics: m, wake: make(chan struct{}, 1)}
	rs.watched = newWatched(p, log, rs.hurry)
	p.OnChange(rs.watched.noticed)
	return rs
}

// interval is how long after a check of a reader the next one begins, with n
// readers. It is less than read-check, as the answer takes some time
// too.
func (c readersConfig) interval(n int) time.Duration {
	within := c.check
	if n > readAtOnce {
		within = max(c.check, min(readSlowest, time.Duration(float64(c.check)*float64(n)/readAtOnce)))
	}
	return within * 3 / 4
}

// age is how long an answer about a client that is away is believed: twice the
// time between two checks, as the answer takes some time too.
func (rs *readers) age() time.Duration {
	return 2 * rs.config.interval(int(rs.size.Load()))
}

// join adds a channel whose join was answered.
func (rs *readers) join(c *channel) {
	r := &reader{access: c.access, channel: c, bookmark: c.bookmark, askedAt: c.access.known().readAt}
	r.answeredAt, r.took = r.askedAt, min(now().Sub(r.askedAt), readFirst)
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

// leave takes out a channel that has ended and has not released its subject
// yet. If its client may come back it stays as a reader without a channel.
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

// removeOneAbsent removes a client that is away, as there are too many.
func (rs *readers) removeOneAbsent() {
	for e := rs.queue.Front(); e != nil; e = e.Next() {
		if r := e.Value.(*reader); r.channel == nil {
			rs.remove(r)
			return
		}
	}
}

// remove takes a reader out. rs.mu must be held.
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

// hurry has everybody asked about at once: something was seen to change that
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

// clear removes all readers, and so releases their subjects.
func (rs *readers) clear() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for e := rs.queue.Front(); e != nil; e = rs.queue.Front() {
		rs.remove(e.Value.(*reader))
	}
}

// round asks about the readers that are due, and says how long it is until the
// next are.
func (rs *readers) round(ctx context.Context) (wait time.Duration) {
	for ctx.Err() == nil {
		rs.watched.refresh(ctx, rs.config.check, rs.size.Load() == 0)
		due, wait := rs.due(now())
		if len(due) == 0 {
			return wait
		}
		if !rs.ask(ctx, due) {
			return readRetry
		}
	}
	return readRetry
}

// promote begins a round of urgent checks if one is called for. It does not wait for
// the readers of the round before that are slow: these stay due. rs.mu must be held.
func (rs *readers) promote(now time.Time) {
	e := rs.queue.Front()
	if e == nil {
		return
	}
	oldest := e.Value.(*reader).askedAt
	for ; e != nil; e = e.Next() {
		if r := e.Value.(*reader); r.takes() == 0 {
			oldest = r.askedAt
			break
		}
	}
	rs.urgent.promote(now, oldest)
}

// due takes up the readers that are due, and says how long it is until the next
// are. With one that is due come those that would be due soon, so that fewer
// statements are needed. Of those that are slow come only as many as take readTime.
func (rs *readers) due(now time.Time) (due []*reader, wait time.Duration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	interval, early := rs.config.interval(rs.queue.Len()), time.Duration(0)
	rs.promote(now)
	var takes time.Duration
	for e := rs.queue.Front(); e != nil && len(due) < readTogether; {
		r := e.Value.(*reader)
		e = e.Next()
		wait = r.askedAt.Add(interval - early).Sub(now)
		if wait > 0 && !rs.urgent.isDue(r.askedAt) {
			break
		}
		if r.channel == nil && (now.Sub(r.left) > rs.config.absent || !r.bookmark.Holds()) {
			rs.remove(r)
			continue
		}
		if long := r.takes(); long > 0 {
			if takes > 0 && takes+long > readTime {
				continue // the quick ones behind it do not wait for it
			}
			takes += long
		}
		r.askedAt, early = now, interval/4
		rs.queue.MoveToBack(r.element)
		due = append(due, r)
	}
	if rs.queue.Len() == 0 {
		return due, time.Hour
	}
	return due, max(time.Millisecond, min(wait, rs.urgent.wait(now)))
}
