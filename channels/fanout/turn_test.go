package fanout

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"walcast/internal/heavy"
)

// held is how many turns of each kind are taken.
func (l *catchUpLimits) held() [3]int {
	return [3]int{catchUpsAtOnce - l.turns.left, askingAtOnce - l.asking.left, l.heavy.Taken()}
}

// TestACatchUpThatWaitsHasNoProcessor: neither while its client has no room, nor while Postgres
// is asked, nor between.
func TestACatchUpThatWaitsHasNoProcessor(t *testing.T) {
	l := newCatchUpLimits(heavy.New())
	own := turn{limits: &l}
	for _, step := range []struct {
		what string
		do   func()
		want [3]int
	}{
		{"begins", func() { own.begin(t.Context()) }, [3]int{1, 0, 1}},
		{"has something matched", own.rest, [3]int{1, 0, 0}},
		{"waits for its client", func() { own.again(t.Context(), own.end()) }, [3]int{1, 0, 0}},
		{"computes again", own.compute, [3]int{1, 0, 1}},
		{"waits for Postgres", own.asks, [3]int{0, 0, 0}},
		{"begins with those that ask", func() { own.begin(t.Context()) }, [3]int{0, 1, 1}},
		{"waits for Postgres again", own.asks, [3]int{0, 1, 0}},
		{"ends", func() { own.end() }, [3]int{0, 0, 0}},
		{"ends again", func() { own.end() }, [3]int{0, 0, 0}},
	} {
		if step.do(); l.held() != step.want {
			t.Errorf("a catch-up that %s has %v of the turns; want %v", step.what, l.held(), step.want)
		}
	}
}

// TestATurnLastsForMoreThanAFewChanges: others have theirs after turnTime, and not at
// each step.
func TestATurnLastsForMoreThanAFewChanges(t *testing.T) {
	l := newCatchUpLimits(heavy.New())
	own := turn{limits: &l}
	own.begin(t.Context())
	for range 1000 {
		own.since = time.Now().Add(turnTime) // whatever the machine does meanwhile
		since := own.since
		if own.begin(t.Context()); own.since != since {
			t.Fatal("a turn ends before it has lasted for turnTime")
		}
	}
	own.since = time.Now().Add(-turnTime)
	since := own.since
	if own.begin(t.Context()); own.since == since {
		t.Error("a turn goes on after turnTime")
	}
	own.end()
}

// TestAMessageWaitsForFewCatchUpsAndNotForAll has fifty of them want to compute before
// a message comes.
func TestAMessageWaitsForFewCatchUpsAndNotForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := heavy.New()
		l := newCatchUpLimits(w)
		for range w.Most() {
			w.Begin()
		}
		var mu sync.Mutex
		computed, before := 0, -1
		for range 50 {
			go l.compute(func() {
				mu.Lock()
				defer mu.Unlock()
				computed++
			})
		}
		synctest.Wait()
		go w.Do(func() {
			mu.Lock()
			defer mu.Unlock()
			before = computed
		})
		synctest.Wait()
		for range w.Most() {
			w.End()
		}
		synctest.Wait()
		if computed != 50 || before < 0 || before > w.Most() {
			t.Errorf("%d catch-ups computed, %d before the message; want all, and %d at most before it", computed, before, w.Most())
		}
	})
}
