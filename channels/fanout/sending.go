package fanout

import (
	"context"

	"walcast/replication/wal"
)

// send pushes what was matched and may be seen, in order, with the messages
// among it. What is not decided waits in the queues of its subscriptions.
func (d *delivery) send(ctx context.Context) {
	if d.batch.isEmpty() {
		return
	}
	d.fanout.metrics.matched.Add(float64(len(d.batch.matches)))
	if d.pace == nil {
		d.sendAll()
	} else {
		d.sendPaced(ctx)
	}
	for _, a := range d.batch.appeared { // without the lock, as others act on it
		a.subscription.request.Published(a.schema, a.table)
	}
	d.batch.clear()
}

func (d *delivery) sendAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, ok := d.batch.next(); ok; s, ok = d.batch.next() {
		d.sendStep(s)
	}
	d.advance(d.taken)
}

// sendPaced is sendAll at the pace of the client, for what is decided and what
// has to be. The lock is held for one step at a time: others must not wait for the
// client.
func (d *delivery) sendPaced(ctx context.Context) {
	for s, ok := d.batch.next(); ok; s, ok = d.batch.next() {
		send := func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.sendStep(s)
			d.advance(s.change.Position)
		}
		if d.isWaiting() {
			send() // nothing yet: it goes behind what waits
		} else {
			d.pace(ctx, frameSize(s.change), send)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.advance(d.taken)
}

// isWaiting reports whether something waits to be decided.
func (d *delivery) isWaiting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting) > 0
}

// frameSize is about how large a change's frame will be.
func frameSize(c *wal.Change) int { return 1024 + 2*c.Bytes }

// sendStep sends one change or message. d.mu is held.
func (d *delivery) sendStep(s step) {
	if s.message != nil {
		d.relay(s.message)
		return
	}
	d.sendChange(s.change, s.matches)
}

// relay delivers a message from SQL to the subscriptions on its topic. d.mu is
// held.
func (d *delivery) relay(m *message) {
	if m.leads {
		m.Sent()
		d.leader.newest.note(m.topic, m.change.Position)
	}
	of := d.attached.byTopic[m.topic]
	for i := len(of) - 1; i >= 0; i-- { // one that goes is replaced by one that has had its turn
		switch s := of[i]; {
		case s.request.Member == nil:
		case s.behind():
			d.enqueue(s, step{change: m.change, message: m.alone()})
		case s.due.takesMessage(m):
			m.Deliver(s.request.Member)
		}
	}
}

// alone is a message without the batch that it is in.
func (m *message) alone() *message {
	own := *m
	return &own
}

// sendChange sends one change to the subscriptions of its matches: one frame for
// each, or several where its bindings see different columns. d.mu is held.
func (d *delivery) sendChange(c *wal.Change, matches []match) {
	d.round++
	for i := range matches {
		d.take(&matches[i])
	}
	d.frames.begin(c)
	for _, s := range d.batch.touched {
		switch {
		case s.place.Load() != d: // a later binding of it may have diverted it
		case s.behind() || s.isOpen:
			d.enqueue(s, s.step(c))
		default:
			d.sendTo(s, c)
		}
	}
	clear(d.batch.touched)
	d.batch.touched = d.batch.touched[:0]
}

// step is the change being sent as the subscription has it, to be kept.
func (s *Subscription) step(c *wal.Change) step {
	own := make([]match, len(s.taken))
	for i, m := range s.taken {
		if own[i] = *m; m.way == compiled {
			own[i].way = open // a look has been
		}
	}
	return step{change: c, matches: own}
}

// take makes a match a hit of its subscription, unless the row is not for it. d.mu
// is held.
func (d *delivery) take(m *match) {
	s := m.binding.subscription
	if m.binding.isDetached || s.place.Load() != d || !m.binding.wants(m.change) || !d.activate(m.binding) {
		return
	}
	switch {
	case m.way == outdated:
		d.outdate(s, d.batch.outdated)
		return
	case d.divert != nil && (m.way == compiled || m.way == asked):
		first := m.change
		if s.behind() {
			first = s.queue.steps[0].change
		}
		d.divert(s, justBefore(first.Position))
		return
	}
	if s.round != d.round {
		s.round, s.isOpen = d.round, false
		s.hits, s.taken = s.hits[:0], s.taken[:0]
		d.batch.touched = append(d.batch.touched, s)
	}
	s.taken = append(s.taken, m)
	if m.way == unread || m.way == asked {
		s.isOpen = true
		return
	}
	m.binding.see(m.view, m.known)
	s.hits = append(s.hits, m.binding)
}

// activate reports whether a row that a binding matches may go to the client.
// One of the table that the bindings are idle for shows that it is published:
// none is idle from then on. d.mu is held.
func (d *delivery) activate(b *binding) bool {
	s := b.subscription
	if s.missing == nil {
		return true
	}
	if s.missing != b.Binding {
		return false
	}
	s.missing = nil
	d.batch.appeared = append(d.batch.appeared, appearance{s, tableName{b.Spec.Schema, b.Spec.Table}})
	return true
}

// sendTo pushes a change to one subscription: one frame for each set of columns
// that its bindings see. d.mu is held.
func (d *delivery) sendTo(s *Subscription, c *wal.Change) {
	for i, b := range s.hits {
		if b.columns.blocked || firstOf(s.hits, b.columns) != i {
			continue // nothing to show, or in the frame of an earlier binding
		}
		key := frameKey{
			topic: s.topic, version: s.request.Address.Version, legacy: s.request.Legacy,
			ids: idsOf(s.hits, b), data: dataKey{b.columns, showsOld(d.fanout.policy, b, c)},
		}
		key.marked = key.version.IsStream() && isLast(s.hits, i)
		d.fanout.metrics.delivered.Inc()
		s.request.Outbox.Push(d.frames.of(c, key))
	}
}
