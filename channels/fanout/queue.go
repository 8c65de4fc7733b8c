package fanout

import (
	"context"
	"slices"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// queue is what a subscription has on its way that is not decided yet, and what
// comes behind it: each channel gets its rows and messages in order.
type queue struct {
	steps []step
	bytes int
}

// The bounds of what waits. A subscription beyond them catches up from the log,
// where its changes are anyway.
const (
	queuedMost    = 1 << 20  // bytes of one subscription
	allQueuedMost = 64 << 20 // bytes of all
)

// bytes is about what a waiting step keeps in memory. Its change is counted in
// full, as the log may let go of it.
func (s *step) bytes() int { return 256 + 96*len(s.matches) + s.change.Bytes }

// behind reports whether something of the subscription waits.
func (s *Subscription) behind() bool { return len(s.queue.steps) > 0 }

// enqueue has a step of a subscription wait until it is decided, behind what
// waits already. d.mu is held.
func (d *delivery) enqueue(s *Subscription, st step) {
	size := st.bytes()
	if d.spill != nil && (s.behind() && s.queue.bytes+size > queuedMost || d.fanout.judge.queued.Load()+int64(size) > allQueuedMost) {
		first := &st
		if s.behind() {
			first = &s.queue.steps[0]
		}
		d.spill(s, justBefore(first.change.Position))
		return
	}
	s.queue.steps = append(s.queue.steps, st)
	d.hold(s, size)
	for i := range st.matches {
		d.ask(&st.matches[i])
	}
}

// hold accounts for what waits of a subscription. d.mu is held.
func (d *delivery) hold(s *Subscription, size int) {
	s.queue.bytes += size
	d.fanout.judge.queued.Add(int64(size))
	if s.behind() {
		d.waiting[s] = struct{}{}
	} else {
		delete(d.waiting, s)
		s.queue.steps = nil
	}
}

// discard forgets what waits of a subscription. d.mu is held.
func (d *delivery) discard(s *Subscription) {
	for i := range s.queue.steps {
		s.queue.steps[i].forget()
	}
	s.queue.steps = nil
	d.hold(s, -s.queue.bytes)
}

// forget tells that nobody waits for the step's answers any more.
func (s *step) forget() {
	for i := range s.matches {
		for _, q := range []*question{s.matches[i].seen, s.matches[i].holds} {
			if q != nil {
				q.interest.Add(-1)
			}
		}
	}
}

// ask has found out what a match waits for. d.mu is held.
func (d *delivery) ask(m *match) {
	switch m.way {
	case unread:
		d.fanout.views.load(d, m.known, m.binding.subject)
	case asked:
		d.fanout.judge.submit(m)
	}
}

// wake sends what is decided by now of subscriptions, of all for nil.
func (d *delivery) wake(subscriptions []*Subscription) {
	if d.kind == catchingUp { // which waits for room before it sends
		d.signal()
		return
	}
	if subscriptions == nil {
		subscriptions = d.allWaiting()
	}
	for len(subscriptions) > 0 {
		subscriptions = d.releaseEach(subscriptions)
	}
}

// releaseEach sends one step of each subscription, and returns those that have
// more: equal ones wait for the same changes, whose frames they share. The lane
// goes on in between.
func (d *delivery) releaseEach(subscriptions []*Subscription) (left []*Subscription) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left = subscriptions[:0]
	for _, s := range subscriptions {
		if s.place.Load() == d && d.release(s) {
			left = append(left, s)
		}
	}
	return left
}

func (d *delivery) allWaiting() (all []*Subscription) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.waiting {
		all = append(all, s)
	}
	return all
}

// signal wakes the goroutine of a catch-up.
func (d *delivery) signal() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// release sends the first step that waits if it is decided, and takes out those
// before it of which nothing is to be seen. It is false when there is nothing more
// to send. d.mu is held.
func (d *delivery) release(s *Subscription) bool {
	d.skip(s)
	if s.place.Load() != d || !s.behind() || !d.decided(s, &s.queue.steps[0]) {
		return false // it may have been diverted, and is another delivery's then
	}
	d.sendDecided(s, d.dequeue(s))
	return s.behind()
}

// skip takes out the decided steps of which nothing is to be seen, up to the first
// of which something is. d.mu is held.
func (d *delivery) skip(s *Subscription) {
	for s.behind() && d.decided(s, &s.queue.steps[0]) && !s.queue.steps[0].shows() {
		d.sendDecided(s, d.dequeue(s))
	}
}

// shows reports whether a decided step may be seen.
func (s *step) shows() bool {
	return s.message != nil || slices.ContainsFunc(s.matches, func(m match) bool { return m.way != hidden })
}

// dequeue takes out the first step that waits. d.mu is held.
func (d *delivery) dequeue(s *Subscription) step {
	st := s.queue.steps[0]
	s.queue.steps[0] = step{}
	s.queue.steps = s.queue.steps[1:]
	d.hold(s, -st.bytes())
	return st
}

// sendDecided sends a step that waited, or tells of errors that hide it. d.mu is
// held.
func (d *delivery) sendDecided(s *Subscription, st step) {
	if st.message != nil {
		if s.due.takesMessage(st.message) {
			st.message.Deliver(s.request.Member)
		}
		return
	}
	s.hits = s.hits[:0]
	for i := range st.matches {
		d.settle(s, &st.matches[i])
	}
	if len(s.hits) > 0 {
		d.frames.begin(st.change)
		d.sendTo(s, st.change)
	}
}

// decided reports whether a step can be sent, and has asked what it still waits
// for. The subscription may have moved away, or have been told to resync. It goes
// on where it has stopped: a step may have thousands of matches, and is looked at
// with each answer. d.mu is held.
func (d *delivery) decided(s *Subscription, st *step) bool {
	for ; st.decided < len(st.matches); st.decided++ {
		m := &st.matches[st.decided]
		if m.way == unread {
			d.sortAll(st.matches[st.decided:])
		}
		if m.way == asked {
			m.take()
		}
		switch {
		case m.way == outdated:
			d.outdate(s, s.queue.lastLike(m))
			return s.behind() && d.decided(s, &s.queue.steps[0])
		case m.way == asked && d.divert != nil:
			d.divert(s, justBefore(st.change.Position))
			return false
		case m.way == unread || m.way == asked:
			return false
		}
	}
	return true
}

// sortAll sorts the matches again whose view may have come. d.mu is held.
func (d *delivery) sortAll(matches []match) {
	for i := range matches {
		if m := &matches[i]; m.way == unread {
			d.sortAgain(m)
		}
	}
}

// sortAgain sorts a match whose view has come. Where row-level security applies
// the index did not have it in its conditions. d.mu is held.
func (d *delivery) sortAgain(m *match) {
	if d.sort(m, nil); m.way == compiled {
		m.way = asked
	}
	if d.divert == nil || m.way == unread {
		d.ask(m)
	}
}

// take takes the answers of a match that is asked about, if they are there.
func (m *match) take() {
	for _, q := range []*question{m.seen, m.holds} {
		switch {
		case q == nil:
		case !q.done.Load():
			return
		case q.outdated:
			m.way, m.since = outdated, q.since
			return
		case q.raised != nil || !q.yes:
			m.way = hidden
			return
		}
	}
	if m.seen != nil || m.holds != nil {
		m.way = open
	}
}

// settle makes a decided match a hit of its subscription, or tells of an error.
// d.mu is held.
func (d *delivery) settle(s *Subscription, m *match) {
	b := m.binding
	if b.isDetached || s.ended[b.Binding] {
		return
	}
	for _, q := range []*question{m.seen, m.holds} {
		if q != nil && q.done.Load() && q.raised != nil {
			b.fail(q.raised, m.known.of)
		}
	}
	if m.way == hidden {
		d.fanout.metrics.hidden.Inc()
		return
	}
	b.see(m.view, m.known)
	s.hits = append(s.hits, b)
}

// outdate tells a subscription that it cannot have what it was to get up to a
// position: who may see what of a table has changed. d.mu is held.
func (d *delivery) outdate(s *Subscription, at wal.Position) {
	e := &changelog.ResyncError{
		Code: codeAccessChanged, Reason: "who may see which rows has changed, and some that were committed before cannot be judged any more",
		From: d.standing(s).Position, Oldest: d.fanout.log.Oldest(), Position: at, History: d.sent.History,
	}
	n := 0
	for ; n < len(s.queue.steps) && s.queue.steps[n].change.Position.Compare(at) <= 0; n++ {
		s.queue.steps[n].forget()
	}
	freed := 0
	for i := range s.queue.steps[:n] {
		freed += s.queue.steps[i].bytes()
	}
	clear(s.queue.steps[:n])
	s.queue.steps = s.queue.steps[n:]
	d.hold(s, -freed)
	s.hits, s.isOpen = s.hits[:0], false // what went before it in the change being sent
	s.resync(e)
	s.due.advance(changelog.Standing{History: e.History, Position: at})
	d.fanout.metrics.outdated.Inc()
}

// lastLike is the position of the last waiting step that is outdated as the first
// one is by a match: one notice is enough for all.
func (q *queue) lastLike(m *match) (last wal.Position) {
	last = m.change.Position
	for i := range q.steps {
		for k := range q.steps[i].matches {
			o := &q.steps[i].matches[k]
			if o.known.of == m.known.of && (m.since == 0 || o.change.Position.LSN < m.since) {
				last = o.change.Position
			}
		}
	}
	return last
}

// drain waits for what is undecided of a catch-up's subscription, and sends it at
// the pace of the client. It is false when ctx is done.
func (d *delivery) drain(ctx context.Context, s *Subscription) bool {
	for {
		size, waits := d.next(s)
		switch {
		case !waits:
			return true
		case size > 0:
			d.pace(ctx, size, func() {
				d.mu.Lock()
				defer d.mu.Unlock()
				if s.place.Load() == d {
					d.release(s)
				}
			})
			continue
		}
		select {
		case <-d.woken:
		case <-ctx.Done():
			return false
		}
	}
}

// next is the size of the step that can be sent now, 0 if it is not decided;
// waits is false when there is none.
func (d *delivery) next(s *Subscription) (size int, waits bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.place.Load() != d || !s.behind() {
		return 0, false
	}
	if d.skip(s); s.place.Load() != d || !s.behind() {
		return 0, false
	}
	if d.decided(s, &s.queue.steps[0]) {
		return frameSize(s.queue.steps[0].change), true
	}
	return 0, s.behind()
}
