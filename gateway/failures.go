package gateway

import (
	"context"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	failuresFree   = 5                     // rejections that cost nothing
	failuresStep   = 50 * time.Millisecond // the first pause; each next one is twice as long
	failuresPause  = 2 * time.Second       // the longest, upstream's for every rejection
	failuresForget = time.Minute           // without another
	failuresKnown  = 4096                  // addresses remembered
	failuresWait   = 512                   // rejections held back at once
)

// failures slows down addresses whose requests for a session are rejected again and
// again, each rejection a little more. Nobody else waits for it.
type failures struct {
	mu      sync.Mutex
	known   *lru.Cache[netip.Addr, failure]
	waiting int
}

type failure struct {
	count int
	last  time.Time
}

func newFailures() *failures {
	known, err := lru.New[netip.Addr, failure](failuresKnown)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &failures{known: known}
}

// note counts a rejection and returns how long to hold it back.
func (f *failures) note(address netip.Addr, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	address = network(address)
	one, _ := f.known.Get(address)
	if now.Sub(one.last) > failuresForget {
		one.count = 0
	}
	one.count++
	one.last = now
	f.known.Add(address, one)
	if one.count <= failuresFree {
		return 0
	}
	return min(failuresPause, failuresStep<<min(one.count-failuresFree-1, 10))
}

// pause holds a rejection back. With too many held back already there is none: a
// flood must not pile up here.
func (f *failures) pause(ctx context.Context, d time.Duration) {
	if d == 0 || !f.enter() {
		return
	}
	defer f.exit()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (f *failures) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting >= failuresWait {
		return false
	}
	f.waiting++
	return true
}

func (f *failures) exit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting--
}
