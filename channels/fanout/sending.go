package fanout

import (
	"context"

	"walcast/replication/wal"
)

// send pushes the matches that may be seen, and the messages among them, in
// order. Matches that are not decided wait in the queues of their
// subscriptions.
func (d *delivery) send(ctx context.Context) {
	if d.matched.isEmpty() {
		return
	}
	d.fanout.metrics.matched.Add(float64(len(d.matched.matches)))
	if d.pace == nil {
		d.sendAll()
	} else {
		d.sendPaced(ctx)
	}
	for _, a := range d.matched.appeared { // without the lock, as Published may call the subscription
		a.subscription.request.Published(a.schema, a.table)
	}
	d.matched.clear()
}

func (d *delivery) sendAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, ok := d.matched.next(); ok; s, ok = d.matched.next() {
		d.sendStep(s)
	}
	d.advance(d.taken)
}

// sendPaced is sendAll at the pace of the client. The lock is held for one step
// at a time: others that need it must not wait for the client.
func (d *delivery) sendPaced(ctx context.Context) {
	for s, ok := d.matched.next(); ok; s, ok = d.matched.next() {
		send := func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.sendStep(s)
			d.advance(s.change.Position)
		}
		if d.isWaiting() {
			send() // it only joins the queue, behind what waits there
		} else {
			d.pace(ctx, frameSize(s.change), send)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.advance(d.taken)
}

// isWaiting reports whether something waits in a queue.
func (d *delivery) isWaiting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting) > 0
}

// frameSize is about how large a change's frame will be.
func frameSize(c *wal.Change) int { return 1024 + 2*c.Bytes }

// sendStep sends one change or message. d.mu must be held.
func (d *delivery) sendStep(s step) {
	if s.message != nil {
		d.relay(s.message)
		return
	}
	d.sendChange(s.change, s.matches)
}

// relay delivers a message from SQL to the subscriptions on its topic. d.mu
// must be held.
func (d *delivery) relay(m *message) {
	if m.isOwned {
		m.Sent()
		d.notes.newest.note(m.topic, m.change.Position)
	}
	of := d.attached.byTopic[m.topic]
	for i := len(of) - 1; i >= 0; i-- { // backwards: one that is removed is replaced by the last one, which has had its turn
		switch s := of[i]; {
		case s.request.Member == nil:
		case s.behind():
			d.enqueue(s, step{change: m.change, message: m.alone()})
		case s.progress.takesMessage(m):
			m.Deliver(s.request.Member)
		}
	}
}

// alone is a copy of the message, so that it does not keep its slice alive.
func (m *message) alone() *message {
	own := *m
	return &own
}

// sendChange sends one change to the subscriptions of its matches: one frame
// for each, or several where its bindings see different columns. d.mu must be
// held.
func (d *delivery) sendChange(c *wal.Change, matches []match) {
	d.round++
	for i := range matches {
		d.take(&matches[i])
	}
	d.frames.begin(c)
	for _, s := range d.matched.touched {
		switch {
		case s.attachedTo.Load() != d: // a later match of it has moved it to another delivery
		case s.behind() || s.isOpen:
			d.enqueue(s, s.step(c))
		default:
			d.sendTo(s, c)
		}
	}
	clear(d.matched.touched)
	d.matched.touched = d.matched.touched[:0]
}

// step is the change being sent with all matches of the subscription, to be put
// into its queue.
func (s *sending) step(c *wal.Change) step {
	own := make([]match, len(s.taken))
	for i, m := range s.taken {
		if own[i] = *m; m.way == compiled {
			own[i].way = open // the look at the rules has been
		}
	}
	return step{change: c, matches: own}
}

// take makes a match a hit of its subscription, unless the row is not for it.
// d.mu must be held.
func (d *delivery) take(m *match) {
	s := m.binding.subscription
	if m.binding.isDetached || s.attachedTo.Load() != d || !m.binding.wants(m.change) || !d.activate(m.binding) {
		return
	}
	switch {
	case m.way == outdated:
		d.outdate(s, d.matched.outdated)
		return
	case d.toSecured != nil && (m.way == compiled || m.way == asked):
		first := m.change
		if s.behind() {
			first = s.queue.steps[0].change
		}
		d.toSecured(s, justBefore(first.Position))
		return
	}
	if s.round != d.round {
		s.round, s.isOpen = d.round, false
		s.hits, s.taken = s.hits[:0], s.taken[:0]
		d.matched.touched = append(d.matched.touched, s)
	}
	s.taken = append(s.taken, m)
	if m.way == unread || m.way == asked {
		s.isOpen = true
		return
	}
	m.binding.see(m.view, m.table)
	s.hits = append(s.hits, m.binding)
}

// activate reports whether a row that a binding matches may be sent. While the
// bindings are idle none may, until the first row of the missing table comes:
// it shows that the table is published. d.mu must be held.
func (d *delivery) activate(b *binding) bool {
	s := b.subscription
	if s.missing == nil {
		return true
	}
	if s.missing != b.Binding {
		return false
	}
	s.missing = nil
	d.matched.appeared = append(d.matched.appeared, appearance{s, tableName{b.Spec.Schema, b.Spec.Table}})
	return true
}

// sendTo pushes a change to one subscription: one frame for each set of columns
// that its bindings see. d.mu must be held.
func (d *delivery) sendTo(s *Subscription, c *wal.Change) {
	if len(s.hits) == 1 {
		if b := s.hits[0]; !b.columns.blocked {
			d.push(s, c, b, b.ids(), true)
		}
		return
	}
	groups := groupsOf(s.hits)
	for i, g := range groups {
		s.noteOverlap(len(s.hits))
		d.push(s, c, g.first, g.list(), i == len(groups)-1)
	}
}

// push pushes the frame for some bindings that see the same columns, of which b
// is one. isLast says that it is the last frame of the change for s: only that
// one may carry the change's position, as a client whose connection is cut
// between two frames of a change has not had all of it. d.mu must be held.
func (d *delivery) push(s *Subscription, c *wal.Change, b *binding, ids string, isLast bool) {
	version := s.request.Address.Version
	d.fanout.metrics.delivered.Inc()
	s.request.Outbox.Push(d.frames.of(c, frameKey{
		topic: s.topic, version: version, legacy: s.request.Legacy, ids: ids,
		data:   dataKey{b.columns, showsOld(d.fanout.policy, b, c)},
		marked: version.IsStream() && isLast,
	}))
}
