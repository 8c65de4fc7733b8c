package fanout

import (
	"context"
	"slices"

	"walcast/diagnose"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// queue is the steps of a subscription that are not decided yet, and the
// decided ones after them: each channel gets its rows and messages in order.
type queue struct {
	steps []step
	bytes int
	ended map[*diagnose.Binding]bool // bindings of which no step is sent any more
}

// The bounds of what waits. Beyond them a subscription catches up from the log,
// where its changes are anyway.
const (
	queuedMost    = 1 << 20  // bytes of one subscription
	allQueuedMost = 64 << 20 // bytes of all
)

// bytes is about how much memory a waiting step takes. Its change is counted in
// full, as the log may have dropped it.
func (s *step) bytes() int { return 256 + 96*len(s.matches) + s.change.Bytes }

// enqueue puts a step at the end of a subscription's queue. d.mu must be held.
func (d *delivery) enqueue(s *Subscription, st step) {
	size := st.bytes()
	if d.toCatchUp != nil && (s.behind() && s.queue.bytes+size > queuedMost || d.fanout.asker.queued.Load()+int64(size) > allQueuedMost) {
		first := &st
		if s.behind() {
			first = &s.queue.steps[0]
		}
		d.toCatchUp(s, justBefore(first.change.Position))
		return
	}
	s.queue.steps = append(s.queue.steps, st)
	d.hold(s, size)
	for i := range st.matches {
		d.ask(&st.matches[i])
	}
}

// hold accounts for a change of size in what a subscription has waiting. d.mu
// must be held.
func (d *delivery) hold(s *Subscription, size int) {
	s.queue.bytes += size
	d.fanout.asker.queued.Add(int64(size))
	if s.behind() {
		d.waiting[s] = struct{}{}
	} else {
		delete(d.waiting, s)
		s.queue.steps = nil
	}
}

// discard empties a subscription's queue. d.mu must be held.
func (d *delivery) discard(s *Subscription) {
	for i := range s.queue.steps {
		s.queue.steps[i].forget()
	}
	s.queue.steps = nil
	d.hold(s, -s.queue.bytes)
}

// forget tells questions that the step does not wait for them any more.
func (s *step) forget() {
	for i := range s.matches {
		for _, q := range []*question{s.matches[i].seen, s.matches[i].holds} {
			if q != nil {
				q.interest.Add(-1)
			}
		}
	}
}

// ask has what a match waits for read, or asked of Postgres. d.mu must be held.
func (d *delivery) ask(m *match) {
	switch m.way {
	case unread:
		d.fanout.views.load(d, m.table, m.binding.subject)
	case asked:
		d.fanout.asker.submit(m)
	}
}

// wake sends the steps of some subscriptions that are decided by now; nil means
// all of the delivery.
func (d *delivery) wake(subscriptions []*Subscription) {
	if d.kind == catchingUp { // its goroutine sends, once the client has room
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
// more to send. Subscriptions that wait for the same changes so share their
// frames, and the lane goes on between two steps.
func (d *delivery) releaseEach(subscriptions []*Subscription) (left []*Subscription) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left = subscriptions[:0]
	for _, s := range subscriptions {
		if s.attachedTo.Load() == d && d.release(s) {
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

// release sends the first step with something to be seen if it is decided, and
// takes out the decided steps before it. It is false when there is nothing more
// to send now. d.mu must be held.
func (d *delivery) release(s *Subscription) bool {
	d.skip(s)
	if s.attachedTo.Load() != d || !s.behind() || !d.decided(s, &s.queue.steps[0]) {
		return false // skip may have moved it to another delivery
	}
	d.sendDecided(s, d.dequeue(s))
	return s.behind()
}

// skip takes out the decided steps of which nothing is to be seen, up to the
// first of which something is. d.mu must be held.
func (d *delivery) skip(s *Subscription) {
	for s.behind() && d.decided(s, &s.queue.steps[0]) && !s.queue.steps[0].shows() {
		d.sendDecided(s, d.dequeue(s))
	}
}

// shows reports whether something of a decided step is to be sent.
func (s *step) shows() bool {
	return s.message != nil || slices.ContainsFunc(s.matches, func(m match) bool { return m.way != hidden })
}

// dequeue takes out the first step of a subscription's queue. d.mu must be
// held.
func (d *delivery) dequeue(s *Subscription) step {
	st := s.queue.steps[0]
	s.queue.steps[0] = step{}
	s.queue.steps = s.queue.steps[1:]
	d.hold(s, -st.bytes())
	return st
}

// sendDecided sends a step that waited, and tells the client of errors. d.mu
// must be held.
func (d *delivery) sendDecided(s *Subscription, st step) {
	if st.message != nil {
		if s.progress.takesMessage(st.message) {
			st.message.Deliver(s.request.Member)
		}
		return
	}
	s.hits = s.hits[:0]
	for i := range st.matches {
		d.takeOutcome(s, &st.matches[i])
	}
	if len(s.hits) > 0 {
		d.frames.begin(st.change)
		d.sendTo(s, st.change)
	}
}

// decided reports whether a step can be sent, after it has asked for what the
// step still waits for. It may move the subscription to another delivery, or
// tell it to resync. It continues where the last call stopped: a step may have
// thousands of matches, and decided is called with each answer. d.mu must be
// held.
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
		case m.way == asked && d.toSecured != nil:
			d.toSecured(s, justBefore(st.change.Position))
			return false
		case m.way == unread || m.way == asked:
			return false
		}
	}
	return true
}

// sortAll sorts again the matches that wait for views. d.mu must be held.
func (d *delivery) sortAll(matches []match) {
	for i := range matches {
		if m := &matches[i]; m.way == unread {
			d.sortAgain(m)
		}
	}
}

// sortAgain sorts a match again, as its view may have come. If row-level
// security applies Postgres is asked even if the policy is compiled, as the
// match was found before the index had the policy's conditions. d.mu must be
// held.
func (d *delivery) sortAgain(m *match) {
	if d.sort(m, nil); m.way == compiled {
		m.way = asked
	}
	if d.toSecured == nil || m.way == unread {
		d.ask(m)
	}
}

// take takes in the answers to the questions of a match, if they are there.
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

// takeOutcome makes a decided match a hit of its subscription unless it is hidden,
// and tells the client of an error. d.mu must be held.
func (d *delivery) takeOutcome(s *Subscription, m *match) {
	b := m.binding
	if b.isDetached || s.queue.ended[b.Binding] {
		return
	}
	for _, q := range []*question{m.seen, m.holds} {
		if q != nil && q.done.Load() && q.raised != nil {
			b.fail(q.raised, m.table.relation)
		}
	}
	if m.way == hidden {
		d.fanout.metrics.hidden.Inc()
		return
	}
	b.see(m.view, m.table)
	s.hits = append(s.hits, b)
}

// outdate tells a subscription to resync, and drops what waits up to a
// position: who may see what of a table has changed since its rows were
// written. d.mu must be held.
func (d *delivery) outdate(s *Subscription, at wal.Position) {
	e := &changelog.ResyncError{
		Code: codeAccessChanged, Reason: "who may see which rows has changed, and some that were committed before cannot be judged any more",
		From: d.standing(s).Position, Oldest: d.fanout.log.Oldest(), Position: at, History: d.sent.History,
	}
	n, freed := 0, 0
	for ; n < len(s.queue.steps) && s.queue.steps[n].change.Position.Compare(at) <= 0; n++ {
		s.queue.steps[n].forget()
		freed += s.queue.steps[n].bytes()
	}
	clear(s.queue.steps[:n])
	s.queue.steps = s.queue.steps[n:]
	d.hold(s, -freed)
	s.hits, s.isOpen = s.hits[:0], false // hits of the change being sent go too
	s.resync(e)
	s.progress.advance(changelog.Standing{History: e.History, Position: at})
	d.fanout.metrics.outdated.Inc()
}

// lastLike is the position of the last waiting step that is outdated for the
// same reason as a match, so that the client gets one notice for all.
func (q *queue) lastLike(m *match) (last wal.Position) {
	last = m.change.Position
	for i := range q.steps {
		for k := range q.steps[i].matches {
			o := &q.steps[i].matches[k]
			if o.table.relation == m.table.relation && (m.since == 0 || o.change.Position.LSN < m.since) {
				last = o.change.Position
			}
		}
	}
	return last
}

// drain waits until everything in the queue of a catch-up's subscription is
// decided, and sends it at the pace of the client. It is false when ctx is
// done.
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
				if s.attachedTo.Load() == d {
					d.release(s)
				}
			})
			continue
		}
		d.waits()
		select {
		case <-d.woken:
		case <-ctx.Done():
			return false
		}
	}
}

// next is the size of the step that can be sent now, 0 if it is not decided
// yet; waits is false when the queue is empty.
func (d *delivery) next(s *Subscription) (size int, waits bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.attachedTo.Load() != d || !s.behind() {
		return 0, false
	}
	if d.skip(s); s.attachedTo.Load() != d || !s.behind() {
		return 0, false
	}
	if d.decided(s, &s.queue.steps[0]) {
		return frameSize(s.queue.steps[0].change), true
	}
	return 0, s.behind()
}
