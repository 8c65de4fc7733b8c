package channels

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// relation is what a delivery knows of a table: the views of all roles that
// have bindings, loaded before it matched the first change. It is guarded by
// the delivery's lock.
type relation struct {
	of      *wal.Relation
	views   map[string]*policy.View // by role; nil for one that Postgres does not know
	checked time.Time               // when the views were last asked for
	sets    map[columnKey]*columnSet
}

const (
	// learnRetry is the pause between two tries to ask Postgres for grants.
	learnRetry = 500 * time.Millisecond
	// viewsBelieved is how long a delivery goes without asking policy, which has
	// a time limit of its own for what depends on roles.
	viewsBelieved = time.Second
)

// knows reports whether changes of rel can be matched now. Called with d.mu
// held, as roles change with joins.
func (d *delivery) knows(rel *wal.Relation, now time.Time) bool {
	known := d.relations[rel.OID]
	if known == nil || known.of != rel || now.Sub(known.checked) >= viewsBelieved {
		return false
	}
	for role := range d.roles {
		if _, loaded := known.views[role]; !loaded {
			return false
		}
	}
	return true
}

// learn loads what the roles may see of a relation, so that matching needs no
// I/O. It retries until Postgres answers: the changes wait in the log. It
// returns false when ctx is done.
func (d *delivery) learn(ctx context.Context, rel *wal.Relation) bool {
	views := map[string]*policy.View{}
	for _, subject := range d.subjects() {
		view, ok := d.loadView(ctx, rel, subject)
		if !ok {
			return false
		}
		views[subject.Role] = view
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.know(rel, views)
	return true
}

// know takes in what learn has loaded. The index forgets what it compiled where
// row-level security has changed, or may have with a new state of the table.
func (d *delivery) know(rel *wal.Relation, views map[string]*policy.View) {
	known := d.relations[rel.OID]
	changed := known == nil || known.of != rel
	stale := changed && known != nil && known.secured()
	if changed {
		known = &relation{of: rel, views: map[string]*policy.View{}, sets: map[columnKey]*columnSet{}}
		d.relations[rel.OID] = known
	}
	for role, view := range views {
		before, loaded := known.views[role]
		if !loaded || before == nil || view == nil || !sameView(before, view) {
			known.views[role] = view
			stale = stale || view != nil && view.RowSecurity || before != nil && before.RowSecurity
		}
	}
	known.checked = time.Now()
	if stale {
		d.index.Invalidate(rel.OID)
	}
}

// secured reports whether rows of the relation are checked for any role.
func (r *relation) secured() bool {
	for _, view := range r.views {
		if view != nil && view.RowSecurity {
			return true
		}
	}
	return false
}

// sameView reports whether two views show the same, so that what was made for
// the one holds for the other.
func sameView(a, b *policy.View) bool {
	return a.Epoch == b.Epoch && a.Denied == b.Denied && a.RowSecurity == b.RowSecurity && slices.Equal(a.Columns, b.Columns)
}

// subjects returns one subject of each role that has bindings.
func (d *delivery) subjects() (subjects []*policy.Subject) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, use := range d.roles {
		subjects = append(subjects, use.subject)
	}
	return subjects
}

// loadView asks until Postgres answers; the view is nil for a role that it does
// not know. ok is false when ctx is done.
func (d *delivery) loadView(ctx context.Context, rel *wal.Relation, s *policy.Subject) (view *policy.View, ok bool) {
	for {
		view, err := d.hub.policy.View(ctx, rel, s)
		if err == nil || errors.Is(err, policy.ErrUnknownRole) {
			return view, true
		}
		err = fmt.Errorf("grants of role %q on %s.%s: %w", s.Role, rel.Schema, rel.Table, err)
		if !d.pause(ctx, "grants not known, changes of the table wait", err) {
			return nil, false
		}
	}
}

// decide settles for every match whether its subject may see the change. It
// runs without the lock, as it may ask Postgres. It is false when ctx is done
// and nothing is settled.
func (d *delivery) decide(ctx context.Context) bool {
	asked := false
	for i := range d.matches {
		m := &d.matches[i]
		if m.view == nil {
			continue // an unknown role is shown nothing
		}
		if i > 0 && m.like(&d.matches[i-1]) {
			m.verdict = d.matches[i-1].verdict
		} else {
			m.verdict = d.hub.policy.Verdict(m.view, m.binding.subject)
		}
		m.visible = m.verdict != policy.Ask
		asked = asked || m.verdict == policy.Ask
	}
	if asked && d.divert == nil {
		return d.ask(ctx)
	}
	return true
}

// like reports whether the same verdict is due for both matches.
func (m *match) like(o *match) bool {
	return m.change.Relation == o.change.Relation && m.binding.subject == o.binding.subject
}

// question is what Postgres is asked at once: as one subject, about one table.
type question struct {
	subject  *policy.Subject
	relation *wal.Relation
}

// ask has Postgres judge the matches that need it: one statement for each
// subject and table, all on their way together. It is false when ctx is done.
func (d *delivery) ask(ctx context.Context) bool {
	at := map[question]*policy.Inquiry{}
	var inquiries []*policy.Inquiry
	for i := range d.matches {
		m := &d.matches[i]
		if m.view == nil || m.verdict != policy.Ask {
			continue
		}
		key := question{m.binding.subject, m.change.Relation}
		q := at[key]
		if q == nil {
			q = &policy.Inquiry{Subject: key.subject}
			at[key] = q
			inquiries = append(inquiries, q)
		}
		// Changes come in order, so one that is there already is the last.
		if n := len(q.Changes); n == 0 || q.Changes[n-1] != m.change {
			q.Changes = append(q.Changes, m.change)
		}
		m.asked = len(q.Changes) - 1
	}
	if !d.judge(ctx, inquiries) {
		return false
	}
	for i := range d.matches {
		m := &d.matches[i]
		if m.view == nil || m.verdict != policy.Ask {
			continue
		}
		q := at[question{m.binding.subject, m.change.Relation}]
		m.visible = q.Visible[m.asked]
		m.raised = q.Errs[m.asked]
	}
	return true
}

// judge asks until Postgres answers; false when ctx is done. A change that
// cannot be judged must neither be shown nor be lost.
func (d *delivery) judge(ctx context.Context, inquiries []*policy.Inquiry) bool {
	for {
		err := d.hub.policy.VisibleAll(ctx, inquiries)
		if err == nil {
			return true
		}
		if !d.pause(ctx, "row-level security not asked, changes wait", err) {
			return false
		}
	}
}

// tell reports a policy or filter that raised to the channel, once for each state of the
// table, so that a failing one is neither silent nor a flood. Called with
// the delivery's lock held.
func (b *binding) tell(err error, rel *wal.Relation) {
	if b.told == rel {
		return
	}
	b.told = rel
	b.channel.problem(protocol.StatusError, failing(b, err))
}
