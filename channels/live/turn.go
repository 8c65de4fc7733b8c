package live

import (
	"context"
	"slices"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// open is what a channel still waits for.
type open struct {
	channel Channel
	waits   []*wait
}

// turn asks Postgres if it has to be asked, and answers what can be answered. It
// reports whether channels wait for more.
func (t *Tracker) turn(ctx context.Context) bool {
	waiting := t.waiting()
	if len(waiting) == 0 {
		return false
	}
	head := t.log.Standing()
	every, isDue := t.pace(waiting, head.History)
	if isDue && time.Since(t.looked) >= every {
		t.look(ctx, waiting)
		t.looked = time.Now()
	}
	t.flush(ctx, waiting, head)
	head = t.log.Standing()
	for _, of := range waiting {
		if slices.ContainsFunc(of.waits, func(w *wait) bool { return w.hasNews() || w.answer(head, t.known) != nil }) {
			t.tell(of)
		}
	}
	return t.size() > 0
}

// waiting is what all channels wait for.
func (t *Tracker) waiting() (all []open) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c, waits := range t.asked {
		all = append(all, open{c, slices.Clone(waits)})
	}
	return all
}

// pace is how often Postgres is to be asked, if it has to be. A transaction that
// has been awaited for long may be awaited for longer.
func (t *Tracker) pace(waiting []open, now changelog.History) (every time.Duration, isDue bool) {
	every = lookLate
	for _, of := range waiting {
		for _, w := range of.waits {
			w.begin(now)
			if w.isOpen() {
				isDue = true
				every = min(every, max(lookEvery, time.Since(w.asked)/20))
			}
		}
	}
	return every, isDue
}

// look asks Postgres how far it is. Waits that it has not said anything about
// for too long are accepted, and go on until it does.
func (t *Tracker) look(ctx context.Context, waiting []open) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	history := t.log.History()
	t.looks.Inc()
	said, err := t.database.Moment(ctx)
	if err != nil || history != t.log.History() {
		for _, of := range waiting {
			for _, w := range of.waits {
				w.isAccepted = w.isAccepted || !w.isRefused && time.Since(w.asked) >= lookLimit
			}
		}
		return
	}
	m := &moment{Moment: said, at: changelog.Standing{History: history, Position: wal.Before(said.End)}, taken: time.Now()}
	t.remember(m)
	for _, of := range waiting {
		for _, w := range of.waits {
			w.take(m)
		}
	}
}

// remember keeps what Postgres has said. Where that is too much, every other
// answer goes but the oldest, which channels that are behind reach first.
func (t *Tracker) remember(m *moment) {
	if len(t.known) >= momentsKept {
		for i := range momentsKept / 2 {
			t.known[i] = t.known[2*i]
		}
		clear(t.known[momentsKept/2:])
		t.known = t.known[:momentsKept/2]
	}
	t.known = append(t.known, m)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest = m.Moment
}

// flush has Postgres flush its WAL where its end has not come for a while.
func (t *Tracker) flush(ctx context.Context, waiting []open, head changelog.Standing) {
	var last *moment
	for _, of := range waiting {
		for _, w := range of.waits {
			m := w.due
			if m == nil || m.isFlushed || m.at.History != head.History || m.reaches(head) || time.Since(m.taken) < flushAfter {
				continue
			}
			if m.isFlushed = true; last == nil || m.End > last.End {
				last = m
			}
		}
	}
	if last == nil || t.database.Flush == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	if t.database.Flush(ctx, last.End) != nil {
		last.isFlushed, last.taken = false, time.Now() // again, after a while
	}
}

// hasNews reports whether the push can be replied to.
func (w *wait) hasNews() bool { return !w.isReplied && (w.isAccepted || w.isRefused) }

// tell replies to and answers what can be of a channel's pushes. An answer stands in its
// place: all up to its position comes before it, and nothing beyond.
func (t *Tracker) tell(of open) {
	to := of.channel.Address()
	var done []*wait
	if !of.channel.PushAt(func(at changelog.Standing) (frames []*protocol.Frame) {
		for _, w := range of.waits {
			if w.hasNews() {
				w.isReplied = true
				frames = append(frames, replyTo(to, w.ref, w.refusal()))
			}
			switch m := w.answer(at, t.known); {
			case w.isRefused:
				done = append(done, w)
			case m != nil && w.isReplied:
				frames = append(frames, to.Progress(w.ref, at.Position.Text(), m.Snapshot))
				done = append(done, w)
			}
		}
		return frames
	}) {
		t.Forget(of.channel)
		return
	}
	t.drop(of.channel, done)
}

// drop takes out waits that have ended.
func (t *Tracker) drop(c Channel, done []*wait) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := slices.DeleteFunc(t.asked[c], func(w *wait) bool { return slices.Contains(done, w) })
	if len(left) == 0 {
		delete(t.asked, c)
		return
	}
	t.asked[c] = left
}
