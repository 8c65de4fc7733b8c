package channels

import (
	"context"
	"errors"
	"time"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication"
)

// relation is what a delivery knows of a table: it asked for the grants of all
// roles that have bindings before it matched the first change.
type relation struct {
	of    *replication.Relation
	roles map[string]bool // asked for; a role that Postgres does not know is here too
	sets  map[columnKey]*columnSet
}

// learnRetry is the pause between two tries to ask Postgres for grants.
const learnRetry = 500 * time.Millisecond

// knows reports whether changes of rel can be matched now. Called with d.mu
// held, as roles change with joins.
func (d *delivery) knows(rel *replication.Relation) bool {
	known := d.relations[rel.OID]
	if known == nil || known.of != rel {
		return false
	}
	for role := range d.roles {
		if !known.roles[role] {
			return false
		}
	}
	return true
}

// learn loads what the roles may see of a relation, so that matching needs no
// I/O. It retries until Postgres answers: the changes wait in the log. It
// returns false when ctx is done.
func (d *delivery) learn(ctx context.Context, rel *replication.Relation) bool {
	known := d.relations[rel.OID]
	if known == nil || known.of != rel {
		known = &relation{of: rel, roles: map[string]bool{}, sets: map[columnKey]*columnSet{}}
		d.relations[rel.OID] = known
		d.mu.Lock()
		d.index.Invalidate(rel.OID)
		d.mu.Unlock()
	}
	for _, subject := range d.subjects(known) {
		if !d.loadView(ctx, rel, subject) {
			return false
		}
		known.roles[subject.Role] = true
	}
	return true
}

// subjects returns one subject of each role whose view is not loaded.
func (d *delivery) subjects(known *relation) (subjects []*policy.Subject) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for role, use := range d.roles {
		if !known.roles[role] {
			subjects = append(subjects, use.subject)
		}
	}
	return subjects
}

func (d *delivery) loadView(ctx context.Context, rel *replication.Relation, s *policy.Subject) bool {
	for {
		_, err := d.hub.policy.View(ctx, rel, s)
		if err == nil || errors.Is(err, policy.ErrUnknownRole) {
			return true
		}
		d.hub.logger.Warn("grants not known, changes of the table wait", "schema", rel.Schema, "table", rel.Table,
			"role", s.Role, "err", err, "retry_in", learnRetry)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(learnRetry):
		}
	}
}

// decide settles for every match whether its subject may see the change. It
// runs without the lock, as it may ask Postgres.
func (d *delivery) decide(ctx context.Context) {
	for i := range d.matches {
		m := &d.matches[i]
		if i > 0 && m.sameView(&d.matches[i-1]) {
			m.view, m.verdict = d.matches[i-1].view, d.matches[i-1].verdict
		} else {
			view, err := d.hub.policy.View(ctx, m.change.Relation, m.binding.subject)
			if err != nil {
				continue // no view, nothing is shown
			}
			m.view = view
			m.verdict = d.hub.policy.Verdict(m.change.Relation, m.binding.subject)
		}
		m.visible = m.view != nil && m.verdict != policy.Ask
	}
	if d.divert == nil {
		d.ask(ctx)
	}
}

func (m *match) sameView(o *match) bool {
	return m.change.Relation == o.change.Relation && m.binding.subject == o.binding.subject
}

// question is what Postgres is asked at once: as one subject, about one table.
type question struct {
	subject  *policy.Subject
	relation *replication.Relation
}

// ask has Postgres judge the matches that need it, one statement for each
// subject and table.
func (d *delivery) ask(ctx context.Context) {
	open := map[question][]int{}
	for i := range d.matches {
		if m := &d.matches[i]; m.view != nil && m.verdict == policy.Ask {
			q := question{m.binding.subject, m.change.Relation}
			open[q] = append(open[q], i)
		}
	}
	for q, matches := range open {
		d.askOne(ctx, q, matches)
	}
}

func (d *delivery) askOne(ctx context.Context, q question, matches []int) {
	var changes []*replication.Change
	for _, i := range matches { // matches of one change are adjacent
		if c := d.matches[i].change; len(changes) == 0 || changes[len(changes)-1] != c {
			changes = append(changes, c)
		}
	}
	visible, raised, ok := d.judge(ctx, q.subject, changes)
	if !ok {
		return
	}
	at := 0
	for _, i := range matches {
		m := &d.matches[i]
		if m.change != changes[at] {
			at++
		}
		m.visible = visible[at]
		if err := raised[at]; err != nil {
			m.binding.tell(err, q.relation)
		}
	}
}

// judge asks until Postgres answers or ctx is done: a change that cannot be
// judged must neither be shown nor be lost.
func (d *delivery) judge(ctx context.Context, s *policy.Subject, changes []*replication.Change) ([]bool, map[int]error, bool) {
	for {
		visible, raised, err := d.hub.policy.Visible(ctx, s, changes)
		if err == nil {
			return visible, raised, true
		}
		if ctx.Err() != nil {
			return nil, nil, false
		}
		d.hub.logger.Warn("row-level security not asked, its changes wait", "role", s.Role, "err", err, "retry_in", learnRetry)
		select {
		case <-ctx.Done():
			return nil, nil, false
		case <-time.After(learnRetry):
		}
	}
}

// tell reports a policy that raised to the channel, once for each state of the
// table, so that a failing policy is neither silent nor a flood.
func (b *binding) tell(err error, rel *replication.Relation) {
	if b.raised == rel {
		return
	}
	b.raised = rel
	var ask *policy.AskError
	text := err.Error()
	if errors.As(err, &ask) {
		text = protocol.PolicyRaised(ask.Table, ask.SQLState, ask.Message)
	}
	b.channel.system(protocol.ExtensionPostgres, protocol.StatusError, text)
}
