package channels

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// expiry calls recheck on channels when their time has come. One goroutine
// serves all channels.
type expiry struct {
	mu    sync.Mutex
	queue deadlines
	at    map[*channel]*deadline
	wake  chan struct{} // something earlier than the present wait came
}

type deadline struct {
	channel *channel
	when    time.Time
	index   int
}

func newExpiry() *expiry {
	return &expiry{at: map[*channel]*deadline{}, wake: make(chan struct{}, 1)}
}

// watch sets when the channel is due, replacing what was set before.
func (e *expiry) watch(ch *channel, when time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ch.ended.Load() {
		return // forget has been or will be called; it must find nothing
	}
	d := e.at[ch]
	if d == nil {
		d = &deadline{channel: ch, when: when}
		e.at[ch] = d
		heap.Push(&e.queue, d)
	} else {
		d.when = when
		heap.Fix(&e.queue, d.index)
	}
	if d.index == 0 {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// forget takes the channel off the watch.
func (e *expiry) forget(ch *channel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.at[ch]; d != nil {
		delete(e.at, ch)
		heap.Remove(&e.queue, d.index)
	}
}

// run calls recheck in time until ctx is done.
func (e *expiry) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, next := e.due(now())
		for _, ch := range due {
			ch.recheck()
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		case <-timer.C:
		}
	}
}

// due takes out the channels whose time has come, and says how long the next
// one has.
func (e *expiry) due(now time.Time) (due []*channel, next time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.queue) > 0 {
		first := e.queue[0]
		if wait := first.when.Sub(now); wait > 0 {
			return due, wait
		}
		heap.Pop(&e.queue)
		delete(e.at, first.channel)
		due = append(due, first.channel)
	}
	return due, time.Hour
}

// deadlines is a heap by time.
type deadlines []*deadline

func (q deadlines) Len() int           { return len(q) }
func (q deadlines) Less(i, j int) bool { return q[i].when.Before(q[j].when) }
func (q deadlines) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *deadlines) Push(x any) {
	d := x.(*deadline)
	d.index = len(*q)
	*q = append(*q, d)
}

// Pop implements heap.Interface.
func (q *deadlines) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return d
}
