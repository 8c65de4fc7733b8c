package fanout

import (
	"strconv"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// binding is a binding of a subscription, as one subject has it. It is guarded
// by the lock of the subscription's delivery.
type binding struct {
	*diagnose.Binding
	subscription *Subscription
	isDetached   bool // nothing more is sent for it
	subject      *policy.Subject
	idText       *string      // made by ids
	after        wal.Position // rows up to here are not sent

	// The columns that the binding gets, as long as the view is this one.
	view    *policy.View
	columns *columnSet
	told    *wal.Relation // the state of the table for which the client was told of an error
	asView  *asView       // nil for a binding that is no view
}

// asView is what a view has beyond other bindings.
type asView struct {
	indexOnTable int         // in viewIndex
	hidden       string      // what its client was told that decides about its rows, and is not followed
	matched      *wal.Change // the change that is being matched, if the index has found the view for it
}

func newBinding(s *Subscription, b *diagnose.Binding, subject *policy.Subject) *binding {
	made := &binding{Binding: b, subscription: s, subject: subject}
	if b.Spec.View {
		made.asView = &asView{}
	}
	return made
}

// ids is "[id]", ready for a frame. It is made when it is first needed, as most
// bindings of a channel that has many never match.
func (b *binding) ids() string {
	if b.idText == nil {
		text := idsOf(b.Binding)
		b.idText = &text
	}
	return *b.idText
}

// idsOf is what a frame has of the ids of a binding alone.
func idsOf(b *diagnose.Binding) string { return "[" + strconv.FormatInt(b.Spec.ID, 10) + "]" }

// as copies a binding for another subject. The old binding stays as it is, as
// matches that wait to be sent refer to it and its subject.
func (b *binding) as(subject *policy.Subject) *binding {
	next := *b
	next.subject, next.view, next.columns = subject, nil, nil
	return &next
}

// selector is what the index goes by: what the binding asks for, and what its
// subject may see.
func (b *binding) selector(p *policy.Policy) filters.Selector {
	events := b.Events
	if b.Spec.View {
		events = filters.Events(wal.Insert, wal.Update) // by which rows enter; attached.views has the rest
	}
	return filters.Selector{
		Events: events, Schema: b.Spec.Schema, Table: b.Spec.Table,
		Filter: b.Filter, Guard: p.Guard(b.subject),
	}
}

// wants reports whether a row that the binding matches has not been sent for it
// yet.
func (b *binding) wants(c *wal.Change) bool {
	return c.Position.Compare(b.after) > 0 && b.subscription.progress.wantsRow(c) && b.rows().lack(c)
}

// fail tells the client that a policy or filter raised an error, once for each
// state of the table: the error must be neither silent nor a flood.
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

// switchOff ends a binding that has cost too much of Postgres' time. Other
// bindings of its channel go on, and so does what waits behind its rows. If none of
// them works either, the channel has stopped.
func (b *binding) switchOff(aboutRows bool) {
	b.subscription.withDelivery(func(d *delivery) {
		if b.subscription.endBinding(d, b.Binding, diagnose.TooSlow(b.Binding, aboutRows)) {
			d.fanout.metrics.switchedOff.Inc()
		}
	})
}
