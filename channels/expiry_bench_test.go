package channels

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"walcast/auth"
)

// BenchmarkExpiry compares the heap of expiry with a timer for each channel: 100,000
// channels are watched, watched again as after a new token, and end at one instant,
// as when all of an app's clients signed in together. An expiry verifies a token and
// takes a lock that all have in common, as the end of a channel does.
func BenchmarkExpiry(b *testing.B) {
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{secret}})
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range []struct {
		name  string
		newOf func(expire func(*channel)) clock
	}{{"heap", newHeapClock}, {"timers", newTimerClock}} {
		b.Run(kind.name, func(b *testing.B) {
			for b.Loop() {
				benchmarkClock(b, kind.newOf, verifier)
			}
		})
	}
}

// clock calls expire on channels at the times that are set for them.
type clock interface {
	set(ch *channel, when time.Time)
	wait(until time.Time) // expires what is due then
}

func benchmarkClock(b *testing.B, newOf func(expire func(*channel)) clock, verifier *auth.Verifier) {
	const tokens = 100_000
	channels := make([]channel, tokens)
	var (
		mu   sync.Mutex
		peak int
		done sync.WaitGroup
	)
	done.Add(tokens)
	c := newOf(func(*channel) {
		_, _ = verifier.Verify("no.good.token", time.Now())
		mu.Lock()
		peak = max(peak, runtime.NumGoroutine())
		mu.Unlock()
		done.Done()
	})
	setAll := func(unit string, when func(i int) time.Time) {
		began := time.Now()
		for i := range channels {
			c.set(&channels[i], when(i))
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/tokens, unit)
	}
	hour := time.Now().Add(time.Hour)
	scattered := func(i int) time.Time { return hour.Add(time.Duration(i*7919%tokens) * time.Millisecond) }
	heap, _ := memory()
	setAll("ns/watch", scattered)
	watched, stacks := memory()
	b.ReportMetric(float64(watched-heap)/tokens, "B/watch")
	setAll("ns/rewatch", func(i int) time.Time { return scattered(i + 1) })
	burst := time.Now().Add(time.Second)
	setAll("ns/rewatch-to-burst", func(int) time.Time { return burst })
	c.wait(burst)
	done.Wait()
	b.ReportMetric(float64(time.Since(burst).Milliseconds()), "ms/burst")
	b.ReportMetric(float64(peak), "goroutines")
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(int64(after.StackInuse)-stacks)/(1<<20), "stack-MiB")
	runtime.KeepAlive(c)
}

// memory is what is in use, in bytes.
func memory() (heap, stacks int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

// heapClock is expiry, with another thing to do when a time has come.
type heapClock struct {
	*expiry
	expire func(*channel)
}

func newHeapClock(expire func(*channel)) clock { return heapClock{newExpiry(nil), expire} }

func (c heapClock) wait(until time.Time) {
	<-time.After(time.Until(until))
	due, _ := c.due(time.Now())
	for _, ch := range due {
		c.expire(ch)
	}
}

// timerClock is what expiry would be with a timer for each channel.
type timerClock struct {
	expire func(*channel)

	mu     sync.Mutex
	timers map[*channel]*time.Timer
}

func newTimerClock(expire func(*channel)) clock {
	return &timerClock{expire: expire, timers: map[*channel]*time.Timer{}}
}

func (c *timerClock) set(ch *channel, when time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.timers[ch]; t != nil {
		t.Reset(time.Until(when))
		return
	}
	c.timers[ch] = time.AfterFunc(time.Until(when), func() {
		c.mu.Lock()
		delete(c.timers, ch)
		c.mu.Unlock()
		c.expire(ch)
	})
}

// wait has nothing to do: the timers go off by themselves.
func (c *timerClock) wait(time.Time) {}
