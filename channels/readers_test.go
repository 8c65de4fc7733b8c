package channels

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestManyReadersAreAskedInTurnAndAllInTime(t *testing.T) {
	for _, c := range []struct {
		readers int
		check   time.Duration
		within  time.Duration
	}{
		{1, 5 * time.Second, 5 * time.Second},
		{5000, 5 * time.Second, 5 * time.Second},
		{10_000, 5 * time.Second, 10 * time.Second},
		{1_000_000, 5 * time.Second, 30 * time.Second},
		{1_000_000, 30 * time.Second, 30 * time.Second},
	} {
		t.Run(fmt.Sprint(c.readers, " within ", c.check), func(t *testing.T) {
			if got := (readersConfig{check: c.check}).interval(c.readers); got >= c.within || got < c.within/2 {
				t.Errorf("asked again after %s; want less than %s, for the answer takes time", got, c.within)
			}
		})
	}
}

// lined are readers that were asked a millisecond after each other.
func lined(n int, check time.Duration, from time.Time) *readers {
	rs := &readers{config: readersConfig{check: check}, metrics: newMetrics(prometheus.NewRegistry())}
	for i := range n {
		r := &reader{channel: &channel{}, askedAt: from.Add(time.Duration(i) * time.Millisecond)}
		r.element = rs.queue.PushBack(r)
	}
	return rs
}

func TestWhoWasNotAskedForLongestIsAskedFirst(t *testing.T) {
	from := time.Unix(1_800_000_000, 0)
	rs := lined(1000, 4*time.Second, from)
	if batch, wait := rs.due(from.Add(time.Second)); len(batch) > 0 || wait != 2*time.Second {
		t.Fatalf("%d are due, the next in %s; want none, the next in 2s", len(batch), wait)
	}
	at, seen := from.Add(3*time.Second), map[*reader]bool{}
	for len(seen) < 1000 {
		batch, wait := rs.due(at)
		if len(batch) > readTogether {
			t.Fatalf("%d are asked at once; want %d at most", len(batch), readTogether)
		}
		for i, r := range batch {
			if seen[r] || i > 0 && r == batch[i-1] {
				t.Fatal("somebody is asked twice before everybody was asked once")
			}
			seen[r] = true
		}
		if len(batch) == 0 {
			at = at.Add(wait)
		}
		if at.Sub(from) > 4*time.Second {
			t.Fatalf("%d of 1000 were asked within 4s", len(seen))
		}
	}
}

func TestAChangeHasEverybodyAskedAtOnceAndOnceMore(t *testing.T) {
	from := time.Unix(1_800_000_000, 0)
	rs, at := lined(600, 30*time.Second, from), from.Add(time.Second)
	rs.urgent.note()
	asked := 0
	for batch, _ := rs.due(at); len(batch) > 0; batch, _ = rs.due(at) {
		asked += len(batch)
	}
	if asked != 600 {
		t.Fatalf("%d of 600 were asked", asked)
	}
	if batch, wait := rs.due(at.Add(unseenTime / 2)); len(batch) > 0 || wait > unseenTime/2 {
		t.Errorf("%d are asked, the next in %s; want all once more when queries see the commit for certain", len(batch), wait)
	}
	if batch, _ := rs.due(at.Add(unseenTime)); len(batch) != readTogether {
		t.Errorf("%d are asked again; want a batch", len(batch))
	}
}

// TestSlowReadersDelayNoOthers has two hundred readers whose checks take half a second,
// as by a policy that sleeps, among five hundred that take none.
func TestSlowReadersDelayNoOthers(t *testing.T) {
	const check, slowly = 5 * time.Second, 500 * time.Millisecond
	at := time.Unix(1_800_000_000, 0)
	rs := lined(700, check, at)
	asked, isSlow := map[*reader]time.Time{}, map[*reader]bool{}
	for i, e := 0, rs.queue.Front(); e != nil; i, e = i+1, e.Next() {
		r := e.Value.(*reader)
		if asked[r] = r.askedAt; i%7 < 2 {
			r.took, isSlow[r] = slowly, true
		}
	}
	oldest := func(slow bool) (longest time.Duration) {
		for r, began := range asked {
			if isSlow[r] == slow {
				longest = max(longest, at.Sub(began))
			}
		}
		return longest
	}
	changed := at.Add(20 * time.Second)
	for start, noted := at, false; at.Sub(start) < 2*time.Minute; {
		if !noted && at.After(changed) {
			noted = true
			rs.urgent.note()
		}
		batch, wait := rs.due(at)
		began := at
		for _, r := range batch {
			asked[r] = began
			at = at.Add(r.took)
		}
		if got := oldest(false); got > check {
			t.Fatalf("after %s somebody is asked about whose last check was %s ago; want %s at most", at.Sub(start), got, check)
		}
		if noted && at.Sub(changed) > 2*time.Second+unseenTime && changed.After(start) {
			for r, began := range asked {
				if !isSlow[r] && began.Before(changed) {
					t.Fatal("a change does not have quick readers asked about at once")
				}
			}
		}
		if len(batch) == 0 {
			at = at.Add(wait)
		}
	}
	if got, want := oldest(true), 200*slowly*11/10; got > want {
		t.Errorf("a slow reader was not asked about for %s; want %s at most, in their turn", got, want)
	}
}

func TestChangesThatNeverEndTakeHalfOfTheTime(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	rs := lined(2*readTogether, 30*time.Second, at.Add(-time.Second))
	const took = 300 * time.Millisecond // by each batch
	busy, start := time.Duration(0), at
	for at.Sub(start) < time.Minute {
		rs.urgent.note()
		batch, _ := rs.due(at)
		if len(batch) > 0 {
			busy += took
			at = at.Add(took)
		} else {
			at = at.Add(10 * time.Millisecond)
		}
	}
	if share := busy.Seconds() / at.Sub(start).Seconds(); share < 0.3 || share > 0.7 {
		t.Errorf("questions take %.0f %% of the time; want about half", 100*share)
	}
}

func TestAWriteIsNotBelievedOverAChange(t *testing.T) {
	var c changes
	at := time.Unix(1_800_000_000, 0)
	if !c.believes(at, at.Add(time.Minute)) {
		t.Error("an answer is not believed though nothing ever changed")
	}
	c.note(at)
	for name, b := range map[string]struct {
		asked, now time.Duration
		want       bool
	}{
		"before the change":          {-time.Second, time.Millisecond, false},
		"right after it, now":        {time.Millisecond, 50 * time.Millisecond, true},
		"right after it, later":      {time.Millisecond, time.Second, false},
		"when queries see it surely": {2 * unseenTime, time.Minute, true},
	} {
		if got := c.believes(at.Add(b.asked), at.Add(b.now)); got != b.want {
			t.Errorf("asked %s: believed %t", name, got)
		}
	}
}
