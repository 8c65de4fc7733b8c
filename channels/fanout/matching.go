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
		switch m.way {
		case compiled:
			d.batch.secure(c)
		case outdated:
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

// confirm waits for a look that began after the batch was read from the WAL, saw
// its transactions, and has found that nothing has changed in the meantime of what
// the batch was judged by. Where no row is under row-level security it waits only if
// looks are late: nothing is sent by what is older than access-age. It is false when
// ctx is done.
func (d *delivery) confirm(ctx context.Context) bool {
	if len(d.batch.matches) == 0 {
		return true
	}
	since, late := d.fanout.policy.Late()
	if len(d.batch.secured) == 0 && !late {
		return true
	}
	readAt := since
	if len(d.batch.secured) > 0 {
		if at := d.readBefore(d.batch.last()); !late || at.After(since) {
			readAt = at
		}
	}
	now, err := d.fanout.policy.Confirm(ctx, readAt, d.batch.secured...)
	for err != nil {
		if !d.fanout.complaints.pause(ctx, "rules of access not looked at, rows wait", err) {
			return false
		}
		now, err = d.fanout.policy.Confirm(ctx, readAt, d.batch.secured...)
	}
	if now == d.generation {
		return true
	}
	for i := range d.batch.matches {
		m := &d.batch.matches[i]
		if m.way != compiled && (m.way != open || !late) {
			continue
		}
		if since, changed := changedSince(d.fanout.policy, m.view, m.binding.subject); changed {
			m.way, m.since = outdated, since
			if m.change.Position.Compare(d.batch.outdated) > 0 {
				d.batch.outdated = m.change.Position
			}
		}
	}
	return true
}

// readBefore is a time by which the change at a position had been read from the
// WAL. It is the same for all that the log had then, so that one look serves all
// batches of a backlog.
func (d *delivery) readBefore(p wal.Position) time.Time {
	if d.read.History != d.progress().History || p.Compare(d.read.Position) > 0 {
		d.read.Standing = d.fanout.log.Standing()
		d.read.at = time.Now()
	}
	return d.read.at
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

// viewsWaitedFor is how long a lane waits for the views of a new state of a table.
// What they are needed for waits beside the lane from then on.
const viewsWaitedFor = 250 * time.Millisecond

// learn makes a new state of a relation known. It is false when ctx is done.
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
	known := d.relations[rel.OID]
	if known == nil || known.of != rel {
		if known != nil && known.isSecured() {
			d.attached.index.Invalidate(rel.OID)
		}
		known = newRelation(rel)
		d.relations[rel.OID] = known
	}
	for role := range known.faults {
		d.forgetView(known, role)
	}
	known.awaited = true
	for role, use := range d.attached.roles {
		if _, loaded := known.views[role]; loaded {
			continue
		}
		if view, ok := d.fanout.policy.Known(rel, use.subject); ok {
			d.takeView(known, role, view, nil)
			continue
		}
		reading = append(reading, d.fanout.views.load(d, known, use.subject))
	}
	return reading
}

// takeView takes in a view. d.mu is held.
func (d *delivery) takeView(known *relation, role string, view *policy.View, fault error) {
	if known.learn(role, view, fault) && d.relations[known.of.OID] == known {
		d.attached.index.Invalidate(known.of.OID)
	}
}

// learned takes in a view that was read, for which changes may be waiting.
func (d *delivery) learned(known *relation, role string, view *policy.View, fault error) {
	d.takeViewNow(known, role, view, fault)
	d.wake(nil)
}

func (d *delivery) takeViewNow(known *relation, role string, view *policy.View, fault error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takeView(known, role, view, fault)
}

// refresh goes over to views that are known to be newer, once a look has found
// that something has changed. d.mu is held.
func (d *delivery) refresh() {
	now := d.fanout.policy.Generation()
	if now == d.generation {
		return
	}
	d.generation = now
	for _, known := range d.relations {
		for role := range known.views {
			view, ok := (*policy.View)(nil), false
			if use := d.attached.roles[role]; use.bindings > 0 {
				view, ok = d.fanout.policy.Known(known.of, use.subject)
			}
			if ok {
				d.takeView(known, role, view, nil)
			} else {
				d.forgetView(known, role)
			}
		}
	}
}

// forgetView has a view read again. d.mu is held.
func (d *delivery) forgetView(known *relation, role string) {
	if isSecured(known.views[role]) {
		d.attached.index.Invalidate(known.of.OID)
	}
	known.forget(role)
}
