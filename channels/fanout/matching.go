package fanout

import (
	"context"
	"time"
	"unique"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// match finds the bindings of the changes until it has many or comes to a state
// of a relation that it does not know yet, which it returns. n changes are done.
func (d *delivery) match(changes []*wal.Change) (n int, unknown *wal.Relation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refresh()
	now := time.Now()
	for n < len(changes) && unknown == nil && !d.batch.isFull() {
		change := changes[n]
		switch {
		case carriesMessage(change):
			d.gather(change)
		case !d.attached.concerns(change.Relation):
		case d.relations.knows(change.Relation, now):
			d.matchRow(change)
		default:
			unknown = change.Relation
		}
		if unknown == nil {
			d.taken = change.Position
			n++
		}
	}
	if d.batch.isEmpty() {
		d.advance(d.taken)
	}
	return n, unknown
}

// matchRow finds the bindings of a row change. d.mu is held.
func (d *delivery) matchRow(c *wal.Change) {
	known := d.relations[c.Relation.OID]
	d.attached.index.Match(c, func(b *binding, t filters.Truth) {
		m := match{change: c, binding: b, known: known, truth: t}
		var last *match
		if n := len(d.batch.matches); n > 0 {
			last = &d.batch.matches[n-1]
		}
		if d.sort(&m, last); m.way == hidden {
			return
		}
		if d.batch.secured = d.batch.secured || m.way == compiled; m.way == outdated {
			d.batch.outdated = c.Position
		}
		d.batch.matches = append(d.batch.matches, m)
	})
}

// sort says how a match is decided; it may be like the one before. Grants come
// first: a filter that reads what the role may not is not so much as asked about.
// d.mu is held.
func (d *delivery) sort(m, last *match) {
	b := m.binding
	view, loaded := m.known.views[b.subject.Role]
	m.view = view
	switch {
	case !loaded:
		m.way = unread
	case view == nil:
		m.way = hidden
		if fault := m.known.faults[b.subject.Role]; fault != nil && !b.isDetached && b.wants(m.change) {
			b.fail(fault, m.known.of)
		}
	case b.see(view, m.known).blocked:
		m.way = hidden
	case m.change.Position.LSN < view.Since:
		m.way, m.since = outdated, view.Since
	case m.truth == filters.Undecided:
		m.way = asked
	case !view.RowSecurity:
		m.way = open
	case last != nil && m.isLike(last) && (last.way == compiled || last.way == asked && last.truth == filters.True):
		m.way = last.way
	case d.fanout.policy.Verdict(view, b.subject) == policy.Compiled:
		m.way = compiled
	default:
		m.way = asked
	}
}

// confirm waits for a look that began after the batch was read and has found that
// nothing has changed in the meantime of what the batch was judged by. It is
// false when ctx is done.
func (d *delivery) confirm(ctx context.Context) bool {
	if !d.batch.secured {
		return true
	}
	now, err := d.fanout.policy.Confirm(ctx, time.Now())
	for err != nil {
		if !d.fanout.pause(ctx, "rules of access not looked at, rows under row-level security wait", err) {
			return false
		}
		now, err = d.fanout.policy.Confirm(ctx, time.Now())
	}
	if now == d.generation {
		return true
	}
	for i := range d.batch.matches {
		m := &d.batch.matches[i]
		if m.way != compiled {
			continue
		}
		if since, changed := d.fanout.changedSince(m.view, m.binding.subject); changed {
			m.way, m.since = outdated, since
			if m.change.Position.Compare(d.batch.outdated) > 0 {
				d.batch.outdated = m.change.Position
			}
		}
	}
	return true
}

// changedSince reports whether other rules than those of a view go for a subject
// by now, and where the WAL was when they were read.
func (f *Fanout) changedSince(view *policy.View, s *policy.Subject) (since wal.LSN, changed bool) {
	now, ok := f.policy.Known(view.Relation, s)
	switch {
	case !ok || now == nil:
		return 0, true
	case isSameView(now, view):
		return 0, false
	}
	return now.Since, true
}

// gather notes a message from SQL. A lane that leads reads all messages; others
// only read what somebody may want. d.mu is held.
func (d *delivery) gather(c *wal.Change) {
	if d.leader == nil && d.attached.members == 0 {
		return
	}
	topic, read := d.fanout.messages.Message(c, d.leader != nil && d.leader.reports)
	if read == nil {
		return
	}
	m := message{Message: read, topic: unique.Make(topic), change: c, before: len(d.batch.matches)}
	m.leads = d.leader != nil && d.leader.owns(topic)
	if !m.leads && len(d.attached.byTopic[m.topic]) == 0 {
		return
	}
	m.isOld = c.Position.Compare(d.fanout.log.Refilled()) <= 0
	d.batch.messages = append(d.batch.messages, m)
}
