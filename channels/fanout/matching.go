package fanout

import (
	"context"
	"time"
	"unique"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// match finds the bindings of the changes until it has many matches, or comes
// to a state of a table that the delivery does not know yet, which it returns.
// It has handled n changes then.
func (d *delivery) match(changes []*wal.Change) (n int, unknown *wal.Relation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refresh()
	now := time.Now()
	for n < len(changes) && unknown == nil && !d.matched.isFull() {
		change := changes[n]
		switch {
		case carriesMessage(change):
			d.gather(change)
		case !d.attached.concerns(change.Relation):
		case d.tables.knows(change.Relation, now):
			d.matchRow(change)
		default:
			unknown = change.Relation
		}
		if unknown == nil {
			d.taken = change.Position
			n++
		}
	}
	if d.matched.isEmpty() {
		d.advance(d.taken)
	}
	return n, unknown
}

// matchRow finds the bindings of a row change. d.mu must be held.
func (d *delivery) matchRow(c *wal.Change) {
	table := d.tables[c.Relation.OID]
	d.attached.index.Match(c, func(b *binding, t filters.Truth) {
		m := match{change: c, binding: b, table: table, truth: t}
		var last *match
		if n := len(d.matched.matches); n > 0 {
			last = &d.matched.matches[n-1]
		}
		if d.sort(&m, last); m.way == hidden {
			return
		}
		switch m.way {
		case compiled:
			d.matched.secure(c)
		case outdated:
			d.matched.outdated = c.Position
		}
		d.matched.matches = append(d.matched.matches, m)
	})
}

// sort says how a match is decided. last is the match before, nil for none:
// equal matches are decided in the same way. Grants come first: a filter that
// reads what the role may not see is never put to Postgres. d.mu must be held.
func (d *delivery) sort(m, last *match) {
	b := m.binding
	view, loaded := m.table.views[b.subject.Role]
	m.view = view
	switch {
	case !loaded:
		m.way = unread
	case view == nil:
		m.way = hidden
		if fault := m.table.faults[b.subject.Role]; fault != nil && !b.isDetached && b.wants(m.change) {
			b.fail(fault, m.table.relation)
		}
	case b.see(view, m.table).blocked:
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

// confirm waits for a look at the rules of access that began after the changes
// were read from the WAL, and saw their transactions. Matches whose rules have
// changed meanwhile become outdated. If no row is under row-level security it
// waits only if looks are late: nothing is sent by rules that are older than
// access-age. It is false when ctx is done.
func (d *delivery) confirm(ctx context.Context) bool {
	if len(d.matched.matches) == 0 {
		return true
	}
	since, late := d.fanout.policy.Late()
	if len(d.matched.secured) == 0 && !late {
		return true
	}
	readAt := since
	if len(d.matched.secured) > 0 {
		if at := d.readBefore(d.matched.last()); !late || at.After(since) {
			readAt = at
		}
	}
	now, err := d.fanout.policy.Confirm(ctx, readAt, d.matched.secured...)
	for err != nil {
		if !d.fanout.complaints.pause(ctx, "rules of access not looked at, rows wait", err) {
			return false
		}
		now, err = d.fanout.policy.Confirm(ctx, readAt, d.matched.secured...)
	}
	if now == d.generation {
		return true
	}
	for i := range d.matched.matches {
		m := &d.matched.matches[i]
		if m.way != compiled && (m.way != open || !late) {
			continue
		}
		if since, changed := changedSince(d.fanout.policy, m.view, m.binding.subject); changed {
			m.way, m.since = outdated, since
			if m.change.Position.Compare(d.matched.outdated) > 0 {
				d.matched.outdated = m.change.Position
			}
		}
	}
	return true
}

// readBefore is a time by which the change at a position had been read from the
// WAL. It is the same for all changes that the log has now, so that one look is
// enough for a whole backlog.
func (d *delivery) readBefore(p wal.Position) time.Time {
	if d.read.History != d.sentUpTo().History || p.Compare(d.read.Position) > 0 {
		d.read.Standing = d.fanout.log.Standing()
		d.read.at = time.Now()
	}
	return d.read.at
}

// gather notes a message from SQL. A direct lane reads all messages, other
// deliveries only if one of their subscriptions gets messages. d.mu must be
// held.
func (d *delivery) gather(c *wal.Change) {
	if d.notes == nil && d.attached.members == 0 {
		return
	}
	topic, read := d.fanout.messages.Message(c, d.notes != nil && d.notes.reports)
	if read == nil {
		return
	}
	m := message{Message: read, topic: unique.Make(topic), change: c, before: len(d.matched.matches)}
	m.isOwned = d.notes != nil && d.notes.owns(topic)
	if !m.isOwned && len(d.attached.byTopic[m.topic]) == 0 {
		return
	}
	m.isOld = c.Position.Compare(d.fanout.log.Refilled()) <= 0
	d.matched.messages = append(d.matched.messages, m)
}

// viewsWaitedFor is how long a lane waits for the views of a new state of a
// table. Matches that need one which comes later wait in the queues of their
// subscriptions.
const viewsWaitedFor = 250 * time.Millisecond

// learn makes a new state of a table known. It is false when ctx is done.
func (d *delivery) learn(ctx context.Context, rel *wal.Relation) bool {
	var limit <-chan time.Time
	if d.kind != catchingUp {
		timer := time.NewTimer(viewsWaitedFor)
		defer timer.Stop()
		limit = timer.C
	}
	for _, done := range d.meet(rel) {
		select {
		case <-done:
		case <-limit:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// meet takes in what is known already of what the roles may see of a relation,
// and has the rest read.
func (d *delivery) meet(rel *wal.Relation) (reading []<-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	table := d.tables[rel.OID]
	if table == nil || table.relation != rel {
		if table != nil && table.isSecured() {
			d.attached.index.Invalidate(rel.OID)
		}
		table = newTableState(rel)
		d.tables[rel.OID] = table
	}
	for role := range table.faults {
		d.forgetView(table, role)
	}
	table.awaited = true
	for role, use := range d.attached.roles {
		if _, loaded := table.views[role]; loaded {
			continue
		}
		if view, ok := d.fanout.policy.Known(rel, use.subject); ok {
			d.takeView(table, role, view, nil)
			continue
		}
		reading = append(reading, d.fanout.views.load(d, table, use.subject))
	}
	return reading
}

// takeView takes in a view. d.mu must be held.
func (d *delivery) takeView(table *tableState, role string, view *policy.View, fault error) {
	if table.learn(role, view, fault) && d.tables[table.relation.OID] == table {
		d.attached.index.Invalidate(table.relation.OID)
	}
}

// learned takes in a view that was read, and sends what was waiting for it.
func (d *delivery) learned(table *tableState, role string, view *policy.View, fault error) {
	d.takeViewNow(table, role, view, fault)
	d.wake(nil)
}

func (d *delivery) takeViewNow(table *tableState, role string, view *policy.View, fault error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takeView(table, role, view, fault)
}

// refresh replaces the views that a look at the rules of access has found to be
// old. d.mu must be held.
func (d *delivery) refresh() {
	now := d.fanout.policy.Generation()
	if now == d.generation {
		return
	}
	d.generation = now
	for _, table := range d.tables {
		for role := range table.views {
			view, ok := (*policy.View)(nil), false
			if use := d.attached.roles[role]; use.bindings > 0 {
				view, ok = d.fanout.policy.Known(table.relation, use.subject)
			}
			if ok {
				d.takeView(table, role, view, nil)
			} else {
				d.forgetView(table, role)
			}
		}
	}
}

// forgetView has a view read again. d.mu must be held.
func (d *delivery) forgetView(table *tableState, role string) {
	if isSecured(table.views[role]) {
		d.attached.index.Invalidate(table.relation.OID)
	}
	table.forget(role)
}
