package fanout

import (
	"context"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// send pushes what was matched and may be seen, in order, with the messages
// among it.
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

// sendPaced is sendAll at the pace of the client. The lock is held for one step
// at a time: others must not wait for the client.
func (d *delivery) sendPaced(ctx context.Context) {
	for s, ok := d.batch.next(); ok; s, ok = d.batch.next() {
		d.pace(ctx, frameSize(s.change), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.sendStep(s)
			d.advance(s.change.Position)
		})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.advance(d.taken)
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
	for _, s := range d.attached.byTopic[m.topic] {
		if s.request.Member != nil && s.due.takesMessage(m) {
			m.Deliver(s.request.Member)
		}
	}
}

// sendChange sends one change to the subscriptions of its matches: one frame for
// each, or several where its bindings see different columns. d.mu is held.
func (d *delivery) sendChange(c *wal.Change, matches []match) {
	d.round++
	for i := range matches {
		d.take(&matches[i])
	}
	d.frames.clear()
	for _, s := range d.batch.touched {
		if s.place.Load() == d { // a later binding of it may have diverted it
			d.sendTo(s, c)
		}
	}
	clear(d.batch.touched)
	d.batch.touched = d.batch.touched[:0]
}

// take makes a match a hit of its subscription, unless the row is not for it. d.mu
// is held.
func (d *delivery) take(m *match) {
	s := m.binding.subscription
	if s == nil || s.place.Load() != d || !m.binding.wants(m.change) || !d.activate(m.binding) {
		return
	}
	if m.verdict == policy.Ask && d.divert != nil {
		d.divert(s, justBefore(m.change.Position))
		return
	}
	if m.raised != nil {
		m.binding.fail(m.raised, m.change.Relation)
	}
	if !m.visible {
		d.fanout.metrics.hidden.Inc()
		return
	}
	m.binding.see(m.view, d.relations[m.change.Relation.OID])
	if s.round != d.round {
		s.round = d.round
		s.hits = s.hits[:0]
		d.batch.touched = append(d.batch.touched, s)
	}
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
			ids: idsOf(s.hits, b), data: dataKey{b.columns, d.fanout.visibility.showsOld(b, c)},
		}
		key.marked = key.version == protocol.SSE && isLast(s.hits, i)
		d.fanout.metrics.delivered.Inc()
		s.request.Outbox.Push(d.frames.of(c, key))
	}
}
