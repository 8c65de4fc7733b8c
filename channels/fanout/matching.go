package fanout

import (
	"context"
	"time"
	"unique"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// match finds the bindings of the changes until it has many or comes to a
// relation whose grants and policies are not known yet, which it returns. n
// changes are done. An error means that Postgres could not be asked about a
// comparison that Go is not certain of; nothing is done then.
func (d *delivery) match(ctx context.Context, changes []*wal.Change) (n int, unknown *wal.Relation, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	changes, unknown = d.known(changes)
	if err := d.attached.index.Prepare(ctx, d.batch.concerning, d.fanout.config.Operators, nil); err != nil {
		return 0, nil, err
	}
	for ; n < len(changes) && !d.batch.isFull(); n++ {
		change := changes[n]
		d.taken = change.Position
		switch {
		case carriesMessage(change):
			d.gather(change)
		case d.attached.concerns(change.Relation):
			d.matchRow(change)
		}
	}
	if n < len(changes) {
		unknown = nil // not there yet
	}
	if d.batch.isEmpty() {
		d.advance(d.taken)
	}
	return n, unknown, nil
}

// matchRow finds the bindings of a row change. d.mu is held.
func (d *delivery) matchRow(c *wal.Change) {
	views := d.relations[c.Relation.OID].views
	d.attached.index.Match(c, func(b *binding) {
		d.batch.matches = append(d.batch.matches, match{change: c, binding: b, view: views[b.subject.Role]})
	})
	d.attached.index.Failed(c, func(b *binding, err *filters.BindError) { b.fail(err, c.Relation) })
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

// known cuts the changes before the first of a relation that has to be learned,
// which it returns, and collects those that concern a binding. d.mu is held.
func (d *delivery) known(changes []*wal.Change) ([]*wal.Change, *wal.Relation) {
	d.batch.concerning = d.batch.concerning[:0]
	start := time.Now()
	for i, change := range changes {
		rel := change.Relation
		if !d.attached.concerns(rel) {
			continue
		}
		if !d.relations.knows(rel, d.attached.roles, start) {
			return changes[:i], rel
		}
		d.batch.concerning = append(d.batch.concerning, change)
	}
	return changes, nil
}

// learn loads what the roles may see of a relation, so that matching needs no
// I/O. It is false when ctx is done.
func (d *delivery) learn(ctx context.Context, rel *wal.Relation) bool {
	views := map[string]*policy.View{}
	for _, subject := range d.subjects() {
		view, ok := d.fanout.visibility.view(ctx, rel, subject)
		if !ok {
			return false
		}
		views[subject.Role] = view
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.relations.learn(rel, views, time.Now()) {
		d.attached.index.Invalidate(rel.OID)
	}
	return true
}

// subjects returns one subject of each role that has bindings.
func (d *delivery) subjects() []*policy.Subject {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.attached.subjects()
}
