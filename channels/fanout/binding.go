package fanout

import (
	"slices"
	"strconv"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// binding is a binding of a subscription as one subject has it. It is guarded by
// the lock of the subscription's place.
type binding struct {
	*diagnose.Binding
	subscription *Subscription
	isDetached   bool // nothing more may come for it
	subject      *policy.Subject
	idText       *string      // see ids
	after        wal.Position // no row up to here

	// The columns that the binding gets, valid for one view.
	view    *policy.View
	columns *columnSet
	told    *wal.Relation // of this state of the table an error was told
}

func newBinding(s *Subscription, b *diagnose.Binding, subject *policy.Subject) *binding {
	return &binding{Binding: b, subscription: s, subject: subject}
}

// ids is "[id]", ready for a frame. It is made with the first: most of many
// bindings never have one.
func (b *binding) ids() string {
	if b.idText == nil {
		text := "[" + strconv.FormatInt(b.Spec.ID, 10) + "]"
		b.idText = &text
	}
	return *b.idText
}

// as copies a binding for another subject. It is a copy because what was matched
// keeps the subject it was matched for.
func (b *binding) as(subject *policy.Subject) *binding {
	next := *b
	next.subject, next.view, next.columns = subject, nil, nil
	return &next
}

// selector files the binding under what its subject may see.
func (b *binding) selector(p *policy.Policy) filters.Selector {
	return filters.Selector{
		Events: b.Events, Schema: b.Spec.Schema, Table: b.Spec.Table,
		Filter: b.Filter, Guard: p.Guard(b.subject),
	}
}

// wants reports whether a row that the binding matches is still to come.
func (b *binding) wants(c *wal.Change) bool {
	return c.Position.Compare(b.after) > 0 && b.subscription.due.wantsRow(c)
}

// fail tells the client of a policy or filter that raised, once for each state
// of the table: a failing one must be neither silent nor a flood.
func (b *binding) fail(err error, rel *wal.Relation) {
	if b.told == rel {
		return
	}
	b.told = rel
	s := b.subscription
	s.fanout.complaints.noteFilter(err)
	problem := s.fanout.config.Raised(b.Binding, b.subject, err)
	s.request.Outbox.Push(s.request.Address.Problem(protocol.StatusOK, problem.Warning()))
}

// switchOff ends a binding that has cost too much of Postgres' time. The others
// of its channel go on, as does what waits behind its rows.
func (b *binding) switchOff(aboutRows bool) {
	b.subscription.at(func(d *delivery) {
		s := b.subscription
		i := slices.IndexFunc(s.bindings, func(o *binding) bool { return o.Binding == b.Binding })
		if i < 0 {
			return
		}
		d.attached.unfile(s.bindings[i])
		s.bindings[i].isDetached = true
		s.bindings = slices.Delete(s.bindings, i, i+1)
		s.end(b.Binding)
		d.fanout.metrics.bindings.Dec()
		d.fanout.metrics.switchedOff.Inc()
		status, problem := protocol.StatusError, diagnose.TooSlow(b.Binding, aboutRows)
		if len(s.bindings) > 0 {
			status, problem = protocol.StatusOK, problem.Warning()
		}
		s.request.Outbox.Push(s.request.Address.Problem(status, problem))
	})
}

// end has nothing that waits go out for a binding either, which may be there as it
// was for another subject. The lock of the place is held.
func (s *Subscription) end(b *diagnose.Binding) {
	if s.ended == nil {
		s.ended = map[*diagnose.Binding]bool{}
	}
	s.ended[b] = true
}
