package gateway

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"walcast/channels"
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
	if n := b.size(); n != 0 || len(b.slow) != 0 || len(b.held) != 0 {
		t.Errorf("%d bytes of %d frames wait for %d slow sessions when all are gone; want none", n, len(b.held), len(b.slow))
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

// unconnected makes sessions of a gateway that hold what they are pushed.
func unconnected(n int, change func(*Config)) (all []*session) {
	c := DefaultConfig()
	change(&c)
	g := &Gateway{config: c, pools: newPools(c, nil), metrics: newMetrics(prometheus.NewRegistry()), logger: slog.New(slog.DiscardHandler)}
	for range n {
		all = append(all, newSession(g, channels.Identity{Version: protocol.V2}, netip.Addr{}))
	}
	return all
}

// The first frame of a session has room whatever its size. However many sessions there are,
// they must not fill the memory with it.
func TestFirstFramesOfManySessionsAreBoundedTogether(t *testing.T) {
	for name, size := range map[string]int{"below half of a queue": 1 << 20, "that do not count in their queues": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			all := unconnected(60, func(c *Config) { c.QueuesBytes = 16 << 20 })
			backlog := all[0].gateway.pools.backlog
			for i, s := range all {
				s.Push(frameOf(size))
				if n := backlog.size(); n > 16<<20 {
					t.Fatalf("%d bytes wait for %d sessions; want %d at most", n, i+1, 16<<20)
				}
				if s.Ending() {
					t.Errorf("session %d ends with its first frame; want those that have been slow for longer to end", i)
				}
			}
			ended := 0
			for i, s := range all {
				if s.Ending() {
					ended++
				} else if i < ended {
					t.Errorf("session %d has not ended, though others have that came later", i)
				}
			}
			if room := 16 << 20 / size; ended < 60-room || ended > 60-room+1 {
				t.Errorf("%d of 60 sessions have ended; want all but %d", ended, room)
			}
		})
	}
}

// What a writer has taken is in memory until its client has read it: it counts, and makes
// room again when the connection is cut.
func TestWhatIsBeingWrittenIsBoundedToo(t *testing.T) {
	const size, sessions, room = 1 << 20, 40, 16
	all := unconnected(sessions, func(c *Config) { c.QueuesBytes = room*size + size/2 })
	backlog := all[0].gateway.pools.backlog
	for i, s := range all {
		conn, client := net.Pipe() // which nobody reads from
		defer client.Close()
		s.transport.Conn = conn
		s.begin()
		if s.queue.push(frameOf(size)) == pushedStart {
			go s.write()
		}
		eventually(t, "the writer to have the frame", s.queue.isBeingWritten)
		s.gateway.relieve() // as the next frame has it done, whoever gets that
		if n := backlog.size(); n > backlog.limit {
			t.Errorf("%d bytes wait for %d sessions; want %d at most", n, i+1, backlog.limit)
		}
	}
	ended := 0
	for _, s := range all {
		if s.Ending() {
			ended++
		}
	}
	if want := sessions - room; ended != want {
		t.Errorf("%d of %d sessions have ended; want %d", ended, sessions, want)
	}
	for _, s := range all {
		s.cut(endGone)
		s.queue.wait()
	}
	if n := backlog.size(); n != 0 || len(backlog.slow) != 0 || len(backlog.held) != 0 {
		t.Errorf("%d bytes of %d frames wait for %d slow sessions when all are gone; want none", n, len(backlog.held), len(backlog.slow))
	}
}

// isBeingWritten reports whether a writer has all that there is.
func (q *queue) isBeingWritten() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending.bytes > 0 && q.pending.head == len(q.pending.frames)
}

// Each of many who find at once that too much waits must see the room that the others have made.
func TestNoMoreSessionsEndThanMakeRoom(t *testing.T) {
	const size, sessions, room = 100 << 10, 64, 16
	for range 300 {
		all := unconnected(sessions, func(c *Config) { c.QueuesBytes = room*size + size/2 })
		var pushing sync.WaitGroup
		for _, s := range all {
			f := frameOf(size)
			pushing.Go(func() { s.Push(f) })
		}
		pushing.Wait()
		if n := all[0].gateway.pools.backlog.size(); n < (room-1)*size {
			t.Fatalf("%d bytes wait for the sessions that are left; want at least %d", n, (room-1)*size)
		}
	}
}

func TestWhoHoldsMostIsEndedFirst(t *testing.T) {
	all := unconnected(50, func(c *Config) { c.QueuesBytes = 16 << 20 })
	large, small, others := all[0], all[1], all[2:]
	large.Push(frameOf(3 << 20)) // as the presence of a full topic
	small.Push(frameOf(80_000))
	for range 10 {
		for _, s := range others {
			s.Push(frameOf(100_000))
		}
	}
	if large.Ending() || small.Ending() {
		t.Errorf("of sessions with one large frame and with a small one the first ends: %t, the second: %t; want others to", large.Ending(), small.Ending())
	}
	ended := 0
	for _, s := range others {
		if s.Ending() {
			ended++
		}
	}
	if n := all[0].gateway.pools.backlog.size(); n > 16<<20 || ended == 0 || ended == len(others) {
		t.Errorf("%d of %d sessions that read nothing have ended, %d bytes wait; want some, and at most %d", ended, len(others), n, 16<<20)
	}
}

// Where broadcasts may be dropped, those of the session with most are, before it is closed.
func TestWhoHoldsMostLosesBroadcastsFirst(t *testing.T) {
	all := unconnected(2, func(c *Config) { c.QueuesBytes, c.DropBroadcasts = 4<<20, true })
	for range 3 {
		all[0].Push(frameOf(10_000))
		all[0].Push(castOf(1 << 20))
	}
	all[1].Push(frameOf(1500 << 10))
	if n := all[0].gateway.pools.backlog.size(); all[0].Ending() || all[1].Ending() || n > 2<<20 {
		t.Errorf("sessions end: %t, %t; %d bytes wait; want the broadcasts of the first dropped", all[0].Ending(), all[1].Ending(), n)
	}
}

func castOf(size int) *protocol.Frame {
	f := frameOf(size)
	f.Broadcast = true
	return f
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
		if n := b.size(); n != 0 || len(b.slow) != 0 || len(b.held) != 0 {
			t.Fatalf("%d bytes of %d frames wait for %d slow sessions when nothing waits", n, len(b.held), len(b.slow))
		}
	})
}

func newCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "n"})
}
