package fanout

import (
	"maps"
	"slices"
	"time"

	"walcast/filters"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// waiting is what of a delivery's subscriptions waits to be decided, each in
// the queue of its subscription. It is guarded by the lock of the delivery.
type waiting struct {
	fanout    *Fanout
	attached  *attached
	tables    *tables
	standings *standings
	frames    *frames
	moves     moves

	subscriptions map[*Subscription]struct{} // those with something in their queue
	gaps          map[*Subscription]struct{} // those that are to be told of a gap
}

// moves are where a delivery moves a subscription that it cannot serve any
// longer. They are called while the delivery's lock is held.
type moves struct {
	// toSecured moves a subscription to the secured lane, from after a position
	// on, as one of its changes is not for everybody to see. It is nil for
	// deliveries that send such changes themselves.
	toSecured func(s *Subscription, position wal.Position)
	// toCatchUp moves a subscription to a catch-up, from after a position on,
	// as too much of it waits or its bindings cost too much. It is nil for a
	// catch-up.
	toCatchUp func(s *Subscription, position wal.Position)
}

func newWaiting(d *delivery, to moves) waiting {
	return waiting{
		fanout: d.fanout, attached: &d.matcher.attached, tables: &d.matcher.tables, standings: &d.standings,
		frames: newFrames(d.fanout, &d.matcher.attached), moves: to, subscriptions: map[*Subscription]struct{}{}, gaps: map[*Subscription]struct{}{},
	}
}

// put puts a step at the end of a subscription's queue.
func (w *waiting) put(s *Subscription, st step) {
	size := st.bytes()
	if w.moves.toCatchUp != nil && (s.behind() && s.queue.bytes+size > queuedMost || w.fanout.asker.queued.Load()+int64(size) > allQueuedMost) {
		first := &st
		if s.behind() {
			first = &s.queue.steps[0]
		}
		w.moves.toCatchUp(s, justBefore(first.change.Position))
		return
	}
	s.queue.steps = append(s.queue.steps, st)
	w.account(s, size)
	if s.unfinished.asks && len(st.matches) > 0 {
		s.unfinished.waiting = st.change.Position.LSN
		w.attached.note(s)
	}
	for i := range st.matches {
		m := &st.matches[i]
		w.ask(m)
		if m.way == open && len(s.queue.steps) == 1 {
			w.completes(m) // asks; nobody else does, as it is decided
		}
	}
}

// account notes that what waits of a subscription has grown by size bytes, or
// shrunk if size is negative.
func (w *waiting) account(s *Subscription, size int) {
	s.queue.bytes += size
	w.fanout.asker.queued.Add(int64(size))
	if s.behind() {
		w.subscriptions[s] = struct{}{}
	} else {
		delete(w.subscriptions, s)
		s.queue.steps = nil
	}
}

// discard empties a subscription's queue.
func (w *waiting) discard(s *Subscription) {
	for i := range s.queue.steps {
		s.queue.steps[i].forget()
	}
	s.queue.steps = nil
	w.account(s, -s.queue.bytes)
}

// ask has what a match waits for read, or asked of Postgres.
func (w *waiting) ask(m *match) {
	switch m.way {
	case unread:
		w.tables.load(m.table, m.binding.subject)
	case asked:
		w.fanout.asker.submit(m)
	}
}

// release sends the first step with something to be seen if it is decided, and
// takes out the decided steps before it. It is false when there is nothing more
// to send now.
func (w *waiting) release(s *Subscription) bool {
	if size, _ := w.next(s); size == 0 {
		return false
	}
	w.send(s, w.dequeue(s))
	return s.behind()
}

// all are the subscriptions of which something waits.
func (w *waiting) all() []*Subscription { return slices.Collect(maps.Keys(w.subscriptions)) }

// next is the size of the step that can be sent now, 0 if it is not decided
// yet; waits is false when the queue is empty, or has to wait for the end of a gap.
func (w *waiting) next(s *Subscription) (size int, waits bool) {
	if !w.attached.has(s) || !s.behind() || s.gap != nil {
		return 0, false
	}
	if w.skip(s); !w.attached.has(s) || !s.behind() {
		return 0, false // skip may have moved it to another delivery
	}
	decided := w.decided(s, &s.queue.steps[0])
	switch {
	case !w.attached.has(s) || s.gap != nil: // found on the way
		return 0, false
	case decided:
		return frameSize(s.queue.steps[0].change), true
	}
	return 0, s.behind()
}

// skip takes out the decided steps of which nothing is to be seen, up to the
// first of which something is.
func (w *waiting) skip(s *Subscription) {
	for s.behind() && w.decided(s, &s.queue.steps[0]) && !s.queue.steps[0].shows(s) {
		w.send(s, w.dequeue(s))
	}
}

// dequeue takes out the first step of a subscription's queue.
func (w *waiting) dequeue(s *Subscription) step {
	st := s.queue.steps[0]
	s.queue.steps[0] = step{}
	s.queue.steps = s.queue.steps[1:]
	w.account(s, -st.bytes())
	return st
}

// send sends a step that waited, and tells the client of errors.
func (w *waiting) send(s *Subscription, st step) {
	switch {
	case st.message != nil:
		if s.progress.takesMessage(st.message) {
			st.message.Deliver(s.request.Member)
		}
		return
	case st.change.Operation == wal.Commit:
		w.frames.commitTo(s, st.change)
		return
	}
	s.hits = s.hits[:0]
	for i := range st.matches {
		w.takeOutcome(s, &st.matches[i])
	}
	if len(s.hits) > 0 {
		w.frames.begin(st.change)
		w.frames.sendTo(s, st.change)
	}
}

// decided reports whether a step can be sent, after it has asked for what the
// step still waits for. It may move the subscription to another delivery, or
// tell it to resync. It continues where the last call stopped: a step may have
// thousands of matches, and decided is called with each answer.
func (w *waiting) decided(s *Subscription, st *step) bool {
	for ; st.decided < len(st.matches); st.decided++ {
		m := &st.matches[st.decided]
		if m.binding.isSilent() {
			continue // nothing more is sent of it
		}
		if m.way == unread {
			w.setWays(st.matches[st.decided:])
		}
		if m.way == asked {
			if m.take(); m.way == unread {
				w.tables.forget(m.table, m.binding.subject.Role)
				w.ask(m)
			}
		}
		if m.way == open && !w.completes(m) {
			return false
		}
		switch {
		case m.way == outdated:
			w.outdate(s, m.change.Position) // which may move it to another delivery
			return w.attached.has(s) && s.behind() && w.decided(s, &s.queue.steps[0])
		case m.way == doubtful:
			w.renew(m)
			return w.attached.has(s) && s.behind() && w.decided(s, &s.queue.steps[0])
		case m.way == asked && w.moves.toSecured != nil:
			w.moves.toSecured(s, justBefore(st.change.Position))
			return false
		case m.way == unread || m.way == asked:
			return false
		}
	}
	return true
}

// setWays sets the ways of matches that wait for views.
func (w *waiting) setWays(matches []match) {
	for i := range matches {
		if m := &matches[i]; m.way == unread {
			w.resetWay(m)
		}
	}
}

// resetWay sets the way of a match again, as its view may have come. If row-level
// security applies Postgres is asked even if the policy is compiled, as the
// match was found before the index had the policy's conditions.
func (w *waiting) resetWay(m *match) {
	if m.setWay(w.fanout.policy, nil); m.way == compiled {
		if m.way = asked; m.truth == filters.False {
			m.way = open
		}
	}
	if w.moves.toSecured == nil || m.way == unread {
		w.ask(m)
	}
}

// takeOutcome makes a decided match a hit of its subscription unless it is hidden,
// and tells the client of an error.
func (w *waiting) takeOutcome(s *Subscription, m *match) {
	b := m.binding
	if b.isDetached || s.queue.ended[b.Binding] || b.isSilent() {
		return
	}
	for _, q := range []*question{m.seen, m.holds} {
		if q != nil && q.done.Load() && q.raised != nil {
			b.fail(q.raised, m.table.relation)
		}
	}
	if m.way == hidden {
		w.fanout.metrics.hidden.Inc()
		if b.held() == nil {
			return
		}
	}
	s.hit(m)
}

// renew has the rows of a view taken anew, as what a change is to it cannot be told.
// Nothing of the change has been sent to the subscription, nor of what waits.
func (w *waiting) renew(m *match) {
	s, first := m.binding.subscription, m.change
	if s.behind() {
		first = s.queue.steps[0].change
	}
	if held := m.binding.held(); held != nil && m.reason == protocol.SnapshotAccess && m.view != nil && !held.isBy(m.view) {
		w.fanout.views.readAnew(m.binding.subject, m.view.Relation, held.view.Relation)
	}
	m.binding.demand(m.reason)
	w.leave(s, justBefore(first.Position))
}

// leave has a subscription take the rows of its views from a catch-up, which goes on
// after a position with what others of its bindings get.
func (w *waiting) leave(s *Subscription, at wal.Position) {
	if w.moves.toCatchUp == nil {
		w.attached.delivery.pacing.signal() // what waits for others goes on
		return
	}
	w.discard(s)
	w.moves.toCatchUp(s, at)
}

// outdate drops what a subscription was to get up to a position: the rules that say who
// may see rows of a table have changed since these were written. Bindings that ask for a
// snapshot get one. For others the client is told when the gap has not grown for a
// while, so that it has to read the table again once for all that it misses.
func (w *waiting) outdate(s *Subscription, at wal.Position) {
	to := changelog.Standing{History: w.standings.sent.History, Position: at}
	if s.isPlain() {
		if s.gap == nil {
			s.gap = &gap{from: w.standings.reached(s).Position}
			w.gaps[s] = struct{}{}
		}
		s.gap.after, s.gap.grown, s.gap.to = 0, time.Now(), to
	} else {
		w.fanout.metrics.outdated.Inc()
	}
	w.drop(s, at)
	s.hits, s.isUndecided = s.hits[:0], false // hits of the change being sent go too
	s.skip(at)
	s.progress.advance(to)
	if s.demand(protocol.SnapshotAccess, at) {
		w.takeRows(s, at)
	}
}

// drop takes what waits up to a position out of a subscription's queue. Of that only
// messages are sent.
func (w *waiting) drop(s *Subscription, to wal.Position) {
	for s.behind() && s.queue.steps[0].change.Position.Compare(to) <= 0 {
		st := w.dequeue(s)
		if st.message != nil {
			w.send(s, st)
		}
		st.forget()
	}
}

// takeRows has a subscription whose snapshot is due read the log again from a position
// on, as what waits is about other rows.
func (w *waiting) takeRows(s *Subscription, at wal.Position) {
	if s.awaitsRows() {
		w.leave(s, at)
	}
}
