package fanout

import (
	"time"
	"unique"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// matcher finds the bindings that changes are for. It is guarded by the lock of
// its delivery.
type matcher struct {
	fanout   *Fanout
	attached attached
	tables   tables
	notes    *messageNotes // of a direct lane, nil for others
}

func newMatcher(d *delivery, notes *messageNotes) matcher {
	return matcher{
		fanout: d.fanout, notes: notes, attached: newAttached(d),
		tables: tables{fanout: d.fanout, delivery: d, attached: &d.matcher.attached, byOID: map[uint32]*tableState{}},
	}
}

// match adds the matches and messages of changes to those that are to be sent.
// It stops when there are many, and at a state of a table that is not known yet,
// which it returns. It has handled n changes then.
func (r *matcher) match(changes []*wal.Change, to *matched) (n int, unknown *wal.Relation) {
	r.tables.refresh()
	now := time.Now()
	for ; n < len(changes) && !to.isFull(); n++ {
		change := changes[n]
		switch {
		case change.Operation == wal.Commit:
			r.commit(change, to)
		case carriesMessage(change):
			r.message(change, to)
		case !r.attached.concerns(change.Relation):
			r.read(change, to)
		case r.tables.knows(change.Relation, now):
			r.read(change, to)
			r.row(change, to)
		default:
			return n, change.Relation
		}
	}
	return n, nil
}

// row finds the bindings of a row change.
func (r *matcher) row(c *wal.Change, to *matched) {
	table := r.tables.byOID[c.Relation.OID]
	views, keys := r.attached.views.of(c.Relation), (*changeKeys)(nil)
	if len(views) > 0 {
		keys = keysOf(r.fanout.config.Keys, c)
	}
	r.attached.index.Match(c, func(b *binding, t filters.Truth) {
		if b.Spec.View {
			b.asView.matched = c
			if held := b.held(); held != nil {
				held.expect(keys.new, to.round, b.subscription.behind())
			}
		}
		m := match{change: c, binding: b, table: table, truth: t, keys: keys}
		if m.setWay(r.fanout.policy, to.before()); m.way != hidden || b.held() != nil {
			to.add(&m)
		}
	})
	for _, b := range views {
		if b.asView.matched != c {
			r.leaves(c, b, table, keys, to)
		}
		b.asView.matched = nil
	}
}

// read notes a row change of a table that policies of views read: which rows these have may
// be others by now.
func (r *matcher) read(c *wal.Change, to *matched) {
	if c.Relation == nil {
		return
	}
	for _, b := range r.attached.views.readersOf(c.Relation) {
		if b.held() != nil {
			table := &tableState{relation: c.Relation}
			to.add(&match{change: c, binding: b, table: table, way: doubtful, reason: protocol.SnapshotAccess})
		}
	}
}

// leaves adds the match of a change that a view does not have the row of after it: it may
// have had it before.
func (r *matcher) leaves(c *wal.Change, b *binding, table *tableState, keys *changeKeys, to *matched) {
	held := b.held()
	if held == nil || c.Operation != wal.Truncate && keys.areKnown && !keys.isPartly && held.hasColumns(c.Relation) && held.isBy(table.views[b.subject.Role]) && !held.mayHave(keys.old) {
		return // it was not there, and is not
	}
	m := match{change: c, binding: b, table: table, truth: filters.False, keys: keys}
	if m.setWay(r.fanout.policy, nil); c.Operation != wal.Insert || m.way == doubtful {
		to.add(&m)
	}
}

// message notes a message from SQL. A direct lane reads all messages, other
// deliveries only if one of their subscriptions gets messages.
func (r *matcher) message(c *wal.Change, to *matched) {
	if r.notes == nil && r.attached.members == 0 {
		return
	}
	topic, read := r.fanout.messages.Message(c, r.notes != nil && r.notes.reports)
	if read == nil {
		return
	}
	m := message{Message: read, topic: unique.Make(topic), change: c, before: len(to.matches)}
	m.isOwned = r.notes != nil && r.notes.owns(topic)
	if !m.isOwned && len(r.attached.byTopic[m.topic]) == 0 {
		return
	}
	m.isOld = c.Position.Compare(r.fanout.log.Past()) <= 0
	to.messages = append(to.messages, m)
}

// setWay sets how a match is decided. last is the match before, nil for none:
// equal matches are decided in the same way. Grants come first: a filter that
// reads what the role may not see is never put to Postgres. The lock of the
// delivery must be held.
func (m *match) setWay(p *policy.Policy, last *match) {
	m.findWay(p, last)
	if m.reason = m.doubt(p); m.reason != "" {
		m.way = doubtful
	}
}

func (m *match) findWay(p *policy.Policy, last *match) {
	b := m.binding
	view, loaded := m.table.views[b.subject.Role]
	m.view = view
	switch {
	case !loaded:
		m.way = unread
	case view == nil:
		m.way = hidden
		if fault := m.table.faults[b.subject.Role]; fault != nil && !b.isDetached && b.wants(m.change) && b.held() == nil {
			b.fail(fault, m.table.relation)
		}
	case b.see(view, m.table).blocked:
		m.way = hidden
	case !m.isJudgedAs(last) && !view.Judges(m.change):
		m.way = outdated
	case m.truth == filters.Undecided:
		m.way = asked
	case !view.RowSecurity:
		m.way = open
	case m.truth == filters.False:
		m.way = compiled // no policy can bring the row back
	case last != nil && m.isLike(last) && (last.way == compiled || last.way == asked) && last.truth == filters.True:
		m.way = last.way
	case p.Verdict(view, b.subject) == policy.Compiled:
		m.way = compiled
	default:
		m.way = asked
	}
}
