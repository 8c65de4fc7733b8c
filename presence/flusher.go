package presence

import (
	"context"
	"sync"
	"time"
)

// flusher has rooms flushed: at once when all is quiet, and with a pause that
// grows with the room under a storm, so that a thousand joins are some dozens of
// diffs. It also wakes rooms when something in them is due at a time.
type flusher struct {
	wake chan struct{}

	mu      sync.Mutex
	changed []*room             // to be flushed
	timed   map[*room]time.Time // when something is due
	next    time.Time           // not after any of timed; zero if none is due
}

const (
	flushPause     = 5 * time.Millisecond
	pausePerMember = 20 * time.Microsecond
)

func newFlusher() *flusher {
	return &flusher{wake: make(chan struct{}, 1), timed: map[*room]time.Time{}}
}

// run flushes until ctx is done.
func (f *flusher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		pause := f.flush()
		wait, wake := f.attend(time.Now()), f.wake
		if pause > 0 {
			wait, wake = pause, nil // however much changes meanwhile
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-timer.C:
		}
	}
}

// flushSoon has a room flushed. The mu of the room may be held.
func (f *flusher) flushSoon(r *room) {
	f.mu.Lock()
	f.changed = append(f.changed, r)
	f.mu.Unlock()
	f.rouse()
}

// schedule has a room attended to at a time, or earlier if it is due earlier. The mu
// of the room may be held.
func (f *flusher) schedule(r *room, at time.Time) {
	f.mu.Lock()
	f.timed[r] = earlier(f.timed[r], at)
	f.next = earlier(f.next, at)
	f.mu.Unlock()
	f.rouse()
}

// cancel forgets a room that is gone.
func (f *flusher) cancel(r *room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.timed, r)
}

func (f *flusher) rouse() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// flush flushes what changed and returns how long to leave it alone, 0 if there
// was nothing.
func (f *flusher) flush() (pause time.Duration) {
	changed := f.takeChanged()
	if len(changed) == 0 {
		return 0
	}
	most := 0
	for _, r := range changed {
		most = max(most, r.flush())
	}
	return flushPause + time.Duration(most)*pausePerMember
}

func (f *flusher) takeChanged() []*room {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := f.changed
	f.changed = nil
	return changed
}

// attend has the rooms do what is due and returns how long the next has.
func (f *flusher) attend(now time.Time) (wait time.Duration) {
	for _, r := range f.takeDue(now) {
		if r.attend(now) {
			r.rooms.forget(r)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next.IsZero() {
		return time.Hour
	}
	return f.next.Sub(now)
}

// takeDue returns the rooms in which something is due.
func (f *flusher) takeDue(now time.Time) (due []*room) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next.After(now) {
		return nil
	}
	f.next = time.Time{}
	for r, at := range f.timed {
		if at.After(now) {
			f.next = earlier(f.next, at)
			continue
		}
		delete(f.timed, r)
		due = append(due, r)
	}
	return due
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
