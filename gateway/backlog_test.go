package gateway

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"walcast/protocol"
)

// slowQueue is one that shares a backlog.
func slowQueue(b *backlog) *queue { return &queue{limit: 4 << 20, pending: pending{backlog: b}} }

// pushAll pushes a frame again and again, and returns what became of the last.
func (q *queue) pushAll(n int, frame func() *protocol.Frame) (last pushed) {
	for range n {
		if last = q.push(frame()); last == pushedFull {
			return last
		}
	}
	return last
}

func TestSlowSessionsTogetherAreBounded(t *testing.T) {
	own := func() *protocol.Frame { return frameOf(10_000) }
	b := newBacklog(1 << 20)
	large, small, quick := slowQueue(b), slowQueue(b), slowQueue(b)
	small.pushAll(10, own)
	if got := large.pushAll(200, own); got != pushedFull {
		t.Errorf("the session that has most waiting gets %d; want %d", got, pushedFull)
	}
	if n := b.size(); n > 1<<20+20_000 {
		t.Errorf("%d bytes wait; want hardly more than %d", n, 1<<20)
	}
	if got := small.push(own()); got != pushedQueued {
		t.Errorf("a session that has little waiting gets %d; want %d", got, pushedQueued)
	}
	if got := quick.push(own()); got != pushedStart {
		t.Errorf("a session that nothing waits for gets %d; want %d", got, pushedStart)
	}
	large.kill(endSlow)
	if got := small.pushAll(50, own); got != pushedQueued {
		t.Errorf("once there is room, another gets %d; want %d", got, pushedQueued)
	}
}

func TestBytesThatManyWaitForCountOnce(t *testing.T) {
	b := newBacklog(1 << 20)
	var queues []*queue
	for range 100 {
		queues = append(queues, slowQueue(b))
	}
	for range 50 {
		shared := frameOf(10_000)
		for _, q := range queues {
			if got := q.push(shared); got == pushedFull {
				t.Fatal("no room for a frame that all wait for")
			}
		}
	}
	if n := b.size(); n < 400_000 || n > 600_000 {
		t.Errorf("%d bytes wait for 100 sessions that get the same; want half a megabyte", n)
	}
	for _, q := range queues {
		q.kill(endGone)
	}
	if n := b.size(); n != 0 || b.sessions != 0 || len(b.held) != 0 {
		t.Errorf("%d bytes of %d frames wait for %d slow sessions when all are gone; want none", n, len(b.held), b.sessions)
	}
}

func TestBroadcastsAreDroppedBeforeASlowSessionIsClosed(t *testing.T) {
	b := newBacklog(300_000)
	q := slowQueue(b)
	q.dropped = newCounter()
	cast := func() *protocol.Frame {
		frame := frameOf(10_000)
		frame.Broadcast = true
		return frame
	}
	if got := q.pushAll(200, cast); got != pushedQueued && got != pushedStart {
		t.Errorf("a broadcast beyond the bound gets %d; want others dropped for it", got)
	}
	if n := b.size(); n > 320_000 {
		t.Errorf("%d bytes wait; want hardly more than 300000", n)
	}
}

// TestABacklogIsWhatWaits pushes and takes at random.
func TestABacklogIsWhatWaits(t *testing.T) {
	frames := []*protocol.Frame{frameOf(10), frameOf(30_000), frameOf(200_000), frameOf(50_000)}
	frames[3].Broadcast = true
	rapid.Check(t, func(t *rapid.T) {
		b := newBacklog(rapid.SampledFrom([]int{0, 100_000}).Draw(t, "limit"))
		queues := []*queue{slowQueue(b), slowQueue(b), slowQueue(b)}
		for _, q := range queues[1:] {
			q.dropped = newCounter()
		}
		taken := []*outgoing{newOutgoing(), newOutgoing(), newOutgoing()}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				rapid.SampledFrom(queues).Draw(t, "to").push(rapid.SampledFrom(frames).Draw(t, "frame"))
			},
			"take": func(t *rapid.T) {
				i := rapid.IntRange(0, 2).Draw(t, "of")
				queues[i].take(taken[i])
			},
		})
		for i, q := range queues {
			if rapid.Bool().Draw(t, "ends") {
				q.kill(endGone)
			}
			for q.take(taken[i]) {
			}
		}
		if n := b.size(); n != 0 || b.sessions != 0 || len(b.held) != 0 {
			t.Fatalf("%d bytes of %d frames wait for %d slow sessions when nothing waits", n, len(b.held), b.sessions)
		}
	})
}

func newCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "n"})
}
