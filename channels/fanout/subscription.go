package fanout

import (
	"slices"
	"sync/atomic"
	"unique"

	"walcast/diagnose"
	"walcast/internal/heavy"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
)

// Subscription is a channel's part in the fan-out: it gets the changes that its
// bindings match and its subject may see, and the messages from SQL on its
// topic. Its methods are safe for concurrent use.
type Subscription struct {
	fanout  *Fanout
	request Request // without Subject and After, which change
	topic   topicID
	started changelog.Standing

	attachment
	bindings []*binding
	missing  *diagnose.Binding // the binding whose table is not published; no row is sent meanwhile
	progress progress
	queue    queue
	gap      *gap // what it misses and its client is still to be told of; nil for nothing
	sending
	awaiting
}

// attachment is how a subscription belongs to a delivery.
type attachment struct {
	// attachedTo is the delivery that has the subscription, nil once it is
	// closed. All that follows, here and in the subscription, is guarded by that
	// delivery's lock.
	attachedTo   atomic.Pointer[delivery]
	isDedicated  bool // it stays with a delivery of its own
	indexOnTopic int  // in attached.byTopic of its topic
}

// sending is what a subscription has of the change being sent, and of its
// transaction.
type sending struct {
	number      uint64   // of the change in the delivery: the rest is left from an earlier one if the sender has another number
	hits        []hit    // bindings for which the change is sent
	taken       []*match // all matches of the subscription
	isUndecided bool     // one of them waits for an answer
	unfinished  unfinished
}

func newSubscription(f *Fanout, r Request) *Subscription {
	s := &Subscription{fanout: f, request: r, topic: unique.Make(r.Topic)}
	if len(r.Bindings) > 0 {
		s.bindings = make([]*binding, len(r.Bindings))
	}
	s.unfinished.asks = r.asksForCommits()
	for i := range r.Bindings {
		s.bindings[i] = newBinding(s, &r.Bindings[i], r.Subject)
	}
	s.request.Subject, s.request.After = nil, nil
	s.begin(r.Bindings)
	f.viewers.add(s)
	if r.Dedicated {
		s.dedicate()
	}
	return s
}

// inTurn calls f, which does something for each of the bindings, as heavy work if
// they are many. No lock must be held that heavy work needs.
func (s *Subscription) inTurn(f func()) {
	s.fanout.catchUps.heavy.If(len(s.request.Bindings) >= heavy.Bindings, f)
}

// change is withDelivery for what does something for each of the bindings.
func (s *Subscription) change(f func(d *delivery)) {
	s.inTurn(func() { s.withDelivery(f) })
}

// withDelivery calls f while the lock of the subscription's delivery is held.
// It is false, and f is not called, when the subscription is closed.
func (s *Subscription) withDelivery(f func(d *delivery)) bool {
	for {
		d := s.attachedTo.Load()
		if d == nil {
			return false
		}
		if s.ifAttachedTo(d, f) {
			return true
		}
	}
}

// ifAttachedTo calls f with the lock of d held, unless the subscription has
// moved to another delivery meanwhile.
func (s *Subscription) ifAttachedTo(d *delivery, f func(d *delivery)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.attachedTo.Load() != d {
		return false
	}
	f(d)
	return true
}

// behind reports whether something waits in the subscription's queue.
func (s *Subscription) behind() bool { return len(s.queue.steps) > 0 }

// Started is the standing after which everything is delivered. It is zero for a
// live start before the log has begun, and has no history for a start at a
// position that a client names.
func (s *Subscription) Started() changelog.Standing { return s.started }

// Standing is up to where everything has been pushed that the subscription is
// to get; zero once it is closed.
func (s *Subscription) Standing() (at changelog.Standing) {
	s.withDelivery(func(d *delivery) { at = d.standings.of(s) })
	return at
}

// Push pushes frames after all that was pushed for the subscription. It is false,
// and pushes nothing, when the subscription is closed.
func (s *Subscription) Push(frames ...*protocol.Frame) bool {
	return s.withDelivery(func(*delivery) {
		for _, f := range frames {
			s.request.Outbox.Push(f)
		}
	})
}

// PushAt is Push of what f makes of up to where everything was pushed for the subscription,
// and nothing beyond. f is called with the lock of its delivery.
func (s *Subscription) PushAt(f func(at changelog.Standing) []*protocol.Frame) bool {
	return s.withDelivery(func(d *delivery) {
		for _, frame := range f(d.standings.of(s)) {
			s.request.Outbox.Push(frame)
		}
	})
}

// PushAlive pushes the sign of life of an event stream, with the position up to
// which everything has been pushed: it comes after all changes up to there and
// before all others, so that none is sent again after a reconnect.
func (s *Subscription) PushAlive() {
	s.PushAt(func(at changelog.Standing) []*protocol.Frame {
		return []*protocol.Frame{protocol.StreamAlive(at.Position.Text())}
	})
}

// Close ends the subscription. When it returns nothing is pushed for it any
// more.
func (s *Subscription) Close() {
	s.fanout.viewers.remove(s)
	s.change(func(d *delivery) {
		at := d.standings.reached(s)
		s.attachedTo.Store(nil)
		d.drop(s)
		s.keepRows(at)
		if s.isDedicated {
			s.fanout.metrics.dedicated.Dec()
		}
	})
}

// Bindings are the bindings that are not switched off; none when they are detached or
// the subscription is closed. The slice is not to be changed.
func (s *Subscription) Bindings() (bindings []diagnose.Binding) {
	s.withDelivery(func(*delivery) {
		if len(s.bindings) == len(s.request.Bindings) {
			bindings = s.request.Bindings
			return
		}
		for _, b := range s.bindings {
			bindings = append(bindings, *b.Binding)
		}
	})
	return bindings
}

// HasBindings reports whether the channel has bindings, be they detached or
// not.
func (s *Subscription) HasBindings() bool { return len(s.request.Bindings) > 0 }

// Detach ends the bindings: when it returns no change is pushed for them any
// more. Messages from SQL go on.
func (s *Subscription) Detach() {
	s.change(func(d *delivery) {
		d.matcher.attached.removeBindings(s)
		s.isArmed = false
		for _, b := range s.bindings {
			b.isDetached = true
		}
		for i := range s.request.Bindings {
			if s.behind() {
				s.end(&s.request.Bindings[i])
			}
		}
		s.bindings = nil
		s.forgetRows()
	})
}

// ActAs gives the bindings to another subject at the very position in the log
// where they are: no row is lost or repeated. What was matched and is not sent
// yet goes by the subject before. Bindings that are detached are attached
// again, live from now on.
func (s *Subscription) ActAs(subject *policy.Subject) {
	s.change(func(d *delivery) {
		d.matcher.attached.removeBindings(s)
		if s.bindings == nil {
			s.attachAgain(subject)
		} else {
			for i, b := range s.bindings {
				if held := b.held(); held != nil && !held.seesTheSame(s.fanout.policy, b.subject, subject) {
					b.demand(protocol.SnapshotAccess)
				}
				s.bindings[i] = b.as(subject)
			}
		}
		d.matcher.attached.addBindings(s)
		d.waiting.takeRows(s, d.standings.reached(s).Position)
	})
}

// attachAgain makes the bindings anew. The lock of s.attachedTo must be held.
func (s *Subscription) attachAgain(subject *policy.Subject) {
	live := s.fanout.log.Live()
	s.queue.ended = nil
	for i := range s.request.Bindings {
		again := newBinding(s, &s.request.Bindings[i], subject)
		again.after = live
		if again.Spec.WantsSnapshot() && s.fanout.config.Snapshots != nil {
			s.rows[again.Binding] = &firstRows{due: true, reason: firstReason(s.hadRows)}
		}
		s.bindings = append(s.bindings, again)
	}
}

// end has nothing be sent for a binding that waits in the queue. The waiting
// matches may refer to copies of the binding for earlier subjects, so it is
// noted by what all copies share. The lock of s.attachedTo must be held.
func (s *Subscription) end(b *diagnose.Binding) {
	if s.queue.ended == nil {
		s.queue.ended = map[*diagnose.Binding]bool{}
	}
	s.queue.ended[b] = true
}

// Idle has all bindings wait for the table of one of them, or none for nil. The
// first row of that table ends it, and then Checks.Published is called.
func (s *Subscription) Idle(missing *diagnose.Binding) {
	s.withDelivery(func(*delivery) { s.missing = missing })
}

// owner is whose a catch-up of the subscription is. The lock of s.attachedTo, if it
// has one yet, must be held.
func (s *Subscription) owner() owner {
	if len(s.bindings) == 0 {
		return owner{session: s.request.Session}
	}
	return owner{account: s.bindings[0].subject.Account()}
}

// indexOf is where a binding is among those of the subscription, -1 if it is none of them
// any more. The lock of s.attachedTo must be held.
func (s *Subscription) indexOf(of *diagnose.Binding) int {
	return slices.IndexFunc(s.bindings, func(b *binding) bool { return b.Binding == of })
}

// endBinding ends a binding and tells the client why; if none of the others works either,
// the channel has stopped. It is false if there is no such binding any more. The lock of
// the delivery must be held.
func (s *Subscription) endBinding(d *delivery, of *diagnose.Binding, problem protocol.Problem) bool {
	i := s.indexOf(of)
	if i < 0 {
		return false
	}
	d.matcher.attached.removeBinding(s.bindings[i])
	s.bindings[i].isDetached = true
	if r := s.bindings[i].rows(); r != nil {
		r.drop()
	}
	s.bindings = slices.Delete(s.bindings, i, i+1)
	s.end(of)
	d.fanout.metrics.bindings.Dec()
	status := protocol.StatusError
	switch {
	case len(s.bindings) == 0:
		s.bindings = nil // as Detach leaves it: a new token tries again, as a new join does
	case slices.ContainsFunc(s.bindings, func(o *binding) bool { return !s.request.Broken(o.Spec) }):
		status, problem = protocol.StatusOK, problem.Warning()
	}
	s.request.Outbox.Push(s.request.Address.Problem(status, problem))
	return true
}
