package fanout

import "walcast/replication/wal"

// sender pushes the frames of what was matched, and the messages from SQL among
// it. It is guarded by the lock of its delivery.
type sender struct {
	attached *attached
	waiting  *waiting
	frames   *frames
	notes    *messageNotes // of a direct lane, nil for others

	number   uint64          // of the change being sent, so that its hits are told from those of others
	touched  []*Subscription // subscriptions that get the change being sent
	appeared []appearance    // tables whose first row came; belongs to the goroutine that delivers
}

// appearance says that the first row came of a table that had not been
// published when the subscription's bindings were checked.
type appearance struct {
	subscription *Subscription
	tableName
}

func newSender(d *delivery, notes *messageNotes) sender {
	return sender{attached: &d.matcher.attached, waiting: &d.waiting, frames: d.waiting.frames, notes: notes}
}

// send sends one change, message or end of a transaction. Rows up to outdated, the
// position of the last match that is outdated, are lost to subscriptions with such
// matches.
func (o *sender) send(s step, outdated wal.Position) {
	switch {
	case s.message != nil:
		o.relay(s.message)
	case s.change.Operation == wal.Commit:
		o.commit(s.change)
	default:
		o.row(s.change, s.matches, outdated)
	}
}

// relay delivers a message from SQL to the subscriptions on its topic.
func (o *sender) relay(m *message) {
	if m.isOwned {
		m.Sent()
		o.notes.newest.note(m.topic, m.change.Position)
	}
	of := o.attached.byTopic[m.topic]
	for i := len(of) - 1; i >= 0; i-- { // backwards: one that is removed is replaced by the last one, which has had its turn
		switch s := of[i]; {
		case s.request.Member == nil:
		case s.behind() || s.gap != nil:
			o.waiting.put(s, step{change: m.change, message: m.alone()})
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

// row sends a row change to the subscriptions of its matches: one frame for
// each, or several where its bindings see different columns.
func (o *sender) row(c *wal.Change, matches []match, outdated wal.Position) {
	o.number++
	for i := range matches {
		o.take(&matches[i], outdated)
	}
	o.frames.begin(c)
	for _, s := range o.touched {
		switch {
		case !o.attached.has(s): // a later match of it has moved it to another delivery
		case s.behind() || s.isUndecided || s.gap != nil:
			o.waiting.put(s, s.step(c))
		default:
			o.frames.sendTo(s, c)
		}
	}
	clear(o.touched)
	o.touched = o.touched[:0]
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

// take makes a match a hit of its subscription, unless the row is not for it. If
// it is outdated, the subscription is told to resync after the position to.
func (o *sender) take(m *match, to wal.Position) {
	s := m.binding.subscription
	if m.binding.isDetached || !o.attached.has(s) || !m.binding.wants(m.change) || !o.activate(m.binding) {
		return
	}
	switch {
	case m.way == outdated:
		o.waiting.outdate(s, to)
		return
	case m.way == doubtful && !s.behind():
		o.waiting.renew(m)
		return
	case o.waiting.moves.toSecured != nil && (m.way == compiled || m.way == asked):
		first := m.change
		if s.behind() {
			first = s.queue.steps[0].change
		}
		o.waiting.moves.toSecured(s, justBefore(first.Position))
		return
	}
	if s.number != o.number {
		s.number, s.isUndecided = o.number, false
		s.hits, s.taken = s.hits[:0], s.taken[:0]
		o.touched = append(o.touched, s)
	}
	s.taken = append(s.taken, m)
	if m.way == unread || m.way == asked || m.way == doubtful || m.lacksValues() {
		s.isUndecided = true
		return
	}
	s.hit(m)
}

// activate reports whether a row that a binding matches may be sent. While the
// bindings are idle none may, until the first row of the missing table comes:
// it shows that the table is published.
func (o *sender) activate(b *binding) bool {
	s := b.subscription
	if s.missing == nil {
		return true
	}
	if s.missing.Spec != b.Spec {
		return false
	}
	s.missing = nil
	o.appeared = append(o.appeared, appearance{s, tableName{b.Spec.Schema, b.Spec.Table}})
	return true
}

// tellAppeared tells the channels whose missing table has appeared.
func (o *sender) tellAppeared() {
	for _, a := range o.appeared {
		a.subscription.request.Published(a.schema, a.table)
	}
	clear(o.appeared)
	o.appeared = o.appeared[:0]
}
