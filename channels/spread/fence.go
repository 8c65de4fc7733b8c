package spread

import (
	"context"
	"time"
)

// fenceRound marks the questions of fences among rounds: who is asked says first what it
// has sent lately, so that what was lost on the way is noticed.
const fenceRound = 1 << 63

// Silent reports whether nothing was broadcast to a topic on any node since a time, as far
// as summaries have told, which say it within a second.
func (s *Spread) Silent(digest uint64, since time.Time) bool {
	return s.hearing.mentions.silent(digest, since)
}

// fence is a wait until all that other nodes had broadcast when it began has come.
type fence struct {
	passed chan struct{} // closed at the end
	misses bool          // it cannot be said that all has come
}

func (f *fence) end() { close(f.passed) }

// wait has all nodes be asked in the next round.
func (h *hearing) wait() *fence {
	f := &fence{passed: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = append(h.waiting, f)
	return f
}

// Fence waits until all that other nodes had broadcast before has come, and topics have
// been told what they miss of it. It is false if that cannot be known, or not soon.
func (s *Spread) Fence(ctx context.Context) bool {
	if !s.bus.Connected() {
		return false
	}
	f := s.hearing.wait()
	signal(s.wake)
	select {
	case <-f.passed:
		return !f.misses
	case <-ctx.Done():
		return false
	}
}
