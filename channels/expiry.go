package channels

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"walcast/auth"
)

// expiry ends channels whose tokens expire, or are found to be valid no longer.
//
// It is a heap that one goroutine serves, and not a timer for each channel:
// timers start a goroutine for each expiry. When 100,000 tokens expired at one
// instant, more than 70,000 of these were there at once, with 280 MiB of
// stacks, and the burst was over no sooner. A watched channel takes 80 bytes
// here, and 160 with a timer; setting it takes a few microseconds with either
// (BenchmarkExpiry, on 2 processors).
type expiry struct {
	verifier *auth.Verifier
	wake     chan struct{} // has a token when a channel is due earlier than run waits for

	mu    sync.Mutex
	queue deadlines
	at    map[*channel]*deadline
}

// tokenCheck is how often a channel's token is verified again, so that a change
// of keys is noticed.
const tokenCheck = 5 * time.Minute

type deadline struct {
	channel *channel
	when    time.Time
	index   int
}

func newExpiry(v *auth.Verifier) *expiry {
	return &expiry{verifier: v, at: map[*channel]*deadline{}, wake: make(chan struct{}, 1)}
}

// watch has the channel's token, which is valid now, verified again when it
// expires, and every tokenCheck before. It replaces what was set before.
func (e *expiry) watch(ch *channel, expires time.Time) {
	e.set(ch, nextCheck(now(), expires))
}

// nextCheck is when a token that is valid now is verified again.
func nextCheck(now, expires time.Time) time.Time {
	if next := now.Add(tokenCheck); next.Before(expires) {
		return next
	}
	return expires
}

// recheck verifies a channel's token, and ends the channel if it is not valid
// any more. A new token may come meanwhile, as verifying may wait for a key set: then
// it is the new one's end that counts.
func (e *expiry) recheck(ch *channel) {
	for {
		token := ch.access.bearer()
		claims, err := e.verify(token)
		if err == nil {
			e.watch(ch, claims.Expires)
		}
		switch {
		case ch.access.bearer() != token:
		case err != nil:
			// phx_error, so that clients join again with the token they have by then.
			ch.fail(tokenText(err), false)
			return
		default:
			return
		}
	}
}

// verify verifies a token as of now.
func (e *expiry) verify(token string) (*auth.Claims, error) { return e.verifier.Verify(token, now()) }

// tokenText is what a client is told of a token that is not valid.
func tokenText(err error) string {
	var refused *auth.Error
	if errors.As(err, &refused) {
		return refused.Text
	}
	return err.Error()
}

// set sets when the channel is due, replacing what was set before.
func (e *expiry) set(ch *channel, when time.Time) {
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

// forget does not watch the channel any more.
func (e *expiry) forget(ch *channel) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.at[ch]; d != nil {
		delete(e.at, ch)
		heap.Remove(&e.queue, d.index)
	}
}

// run rechecks the tokens of channels in time until ctx is done.
func (e *expiry) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, next := e.due(now())
		for _, ch := range due {
			e.recheck(ch)
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

// due takes out the channels whose time has come, and says how long it is until
// the next one's has.
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
