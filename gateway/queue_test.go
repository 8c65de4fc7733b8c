package gateway

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"walcast/protocol"
)

func frameOf(size int) *protocol.Frame {
	return protocol.V2.Push("", "", "t", "e", []byte(`"`+strings.Repeat("x", size)+`"`))
}

// TestQueueAgainstAModel pushes and takes at random: what comes out is what went
// in, in order, and the count of bytes is right at every step. A giant frame does not count, unless
// there is one already.
func TestQueueAgainstAModel(t *testing.T) {
	small, large, huge, cast := frameOf(10), frameOf(50_000), frameOf(300_000), frameOf(40_000)
	cast.Broadcast = true
	isCast := func(f *protocol.Frame) bool { return f.Broadcast }
	rapid.Check(t, func(t *rapid.T) {
		q := queue{limit: 1 << 20}
		if rapid.Bool().Draw(t, "drops broadcasts") {
			q.dropped = prometheus.NewCounter(prometheus.CounterOpts{Name: "n"})
		}
		b := newOutgoing()
		var waiting, writing []*protocol.Frame
		closed := false
		size := func() (n int) {
			for _, f := range append(append([]*protocol.Frame{}, waiting...), writing...) {
				n += len(f.Wire())
			}
			return n
		}
		var excused *protocol.Frame // the one giant that does not count
		mayExcuse := func(f *protocol.Frame) bool { return excused == nil && len(f.Wire()) > q.limit/2 }
		full := func(f *protocol.Frame) bool {
			counted := size()
			if excused != nil {
				counted -= len(excused.Wire())
			}
			return size() > 0 && counted+len(f.Wire()) > q.limit && !mayExcuse(f)
		}
		push := func(f *protocol.Frame) {
			want := pushedStart
			if !closed && full(f) && q.dropped != nil {
				waiting = slices.DeleteFunc(waiting, isCast)
			}
			switch {
			case closed:
				want = pushedIgnored
			case full(f) && q.dropped != nil && f.Broadcast:
				want = pushedDropped
			case full(f):
				want = pushedFull
			case len(waiting)+len(writing) > 0:
				want = pushedQueued
			}
			if got := q.push(f); got != want {
				t.Fatalf("push = %d, want %d", got, want)
			}
			if want == pushedStart || want == pushedQueued {
				if mayExcuse(f) {
					excused = f
				}
				waiting = append(waiting, f)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"small": func(*rapid.T) { push(small) },
			"many small": func(*rapid.T) {
				for range 100 {
					push(small)
				}
			},
			"large": func(*rapid.T) { push(large) },
			"huge":  func(*rapid.T) { push(huge) },
			"giant": func(*rapid.T) { push(frameOf(600_000)) },
			"broadcasts": func(*rapid.T) {
				for range 5 {
					push(cast)
				}
			},
			"take": func(t *rapid.T) {
				if len(waiting)+len(writing) == 0 {
					return // no writer runs
				}
				more := q.take(b)
				if slices.Contains(writing, excused) {
					excused = nil
				}
				writing = nil
				if more != (len(waiting) > 0) {
					t.Fatalf("take = %t with %d waiting", more, len(waiting))
				}
				if n := len(b.frames); n > writeFrames || b.bytes > writeBytes && n > 1 {
					t.Fatalf("took %d frames, %d bytes", n, b.bytes)
				}
				for i, f := range b.frames {
					if f != waiting[i] {
						t.Fatalf("frame %d that was taken is another", i)
					}
				}
				writing, waiting = waiting[:len(b.frames)], waiting[len(b.frames):]
				if b.last != (closed && more && len(waiting) == 0) {
					t.Fatalf("last = %t, closed %t, %d waiting", b.last, closed, len(waiting))
				}
			},
			"end": func(t *rapid.T) {
				drop := rapid.Bool().Draw(t, "drop")
				idle := len(waiting)+len(writing) == 0
				got := q.end("test", small, drop)
				if closed {
					if got != pushedIgnored {
						t.Fatalf("second end = %d", got)
					}
					return
				}
				if idle != (got == pushedStart) {
					t.Fatalf("end = %d, idle %t", got, idle)
				}
				if drop {
					if slices.Contains(waiting, excused) {
						excused = nil
					}
					waiting = nil
				}
				closed, waiting = true, append(waiting, small)
			},
			"": func(t *rapid.T) {
				if q.pending.bytes != size() {
					t.Fatalf("bytes = %d, want %d", q.pending.bytes, size())
				}
				if len(waiting)+len(writing) == 0 && cap(q.pending.frames) > keptFrames {
					t.Fatalf("an empty queue keeps room for %d frames", cap(q.pending.frames))
				}
			},
		})
	})
}

func TestQueueTakesNothingOnceKilled(t *testing.T) {
	q := queue{limit: 1 << 20}
	q.push(frameOf(10))
	q.kill("first")
	q.kill("second")
	if q.take(newOutgoing()) {
		t.Error("take after kill = true")
	}
	if got := q.push(frameOf(10)); got != pushedIgnored {
		t.Errorf("push after kill = %d, want ignored", got)
	}
	if q.cause != "first" || q.pending.bytes != 0 {
		t.Errorf("cause %q, %d bytes; want the first cause, 0 bytes", q.cause, q.pending.bytes)
	}
	q.wait()
}
