package fanout

import (
	"sync/atomic"
	"unique"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/replication/changelog"
)

// Subscription is a channel's place in the log: it gets the changes that its
// bindings match and its subject may see, and the messages from SQL on its
// topic. Its methods are safe for concurrent use.
type Subscription struct {
	fanout  *Fanout
	request Request // without what changes: Subject and After
	topic   topicID
	started changelog.Standing

	// place is where the subscription is attached, nil once it is closed. What
	// follows is guarded by the lock of the place.
	place    atomic.Pointer[delivery]
	bindings []*binding
	missing  *diagnose.Binding // none is active until this one has a table
	due      due
	queue    queue
	ended    map[*diagnose.Binding]bool // nothing of them goes out that waits
	isApart  bool                       // it stays with a delivery of its own
	seat     int                        // among those on its topic that are attached to the place
	sending
}

// sending is what a subscription has of the change being sent.
type sending struct {
	round  uint64     // of the place, that the rest belongs to
	hits   []*binding // what goes to the client
	taken  []*match   // and all there is, in the batch
	isOpen bool       // something of it is not decided
}

func newSubscription(f *Fanout, r Request) *Subscription {
	s := &Subscription{fanout: f, request: r, topic: unique.Make(r.Topic)}
	if len(r.Bindings) > 0 {
		s.bindings = make([]*binding, len(r.Bindings))
	}
	for i := range r.Bindings {
		s.bindings[i] = newBinding(s, &r.Bindings[i], r.Subject)
	}
	s.request.Subject, s.request.After = nil, nil
	if r.Apart {
		s.setApart()
	}
	return s
}

// at calls f with the subscription's place locked. It is false, and f is not
// called, when the subscription is closed.
func (s *Subscription) at(f func(d *delivery)) bool {
	for {
		d := s.place.Load()
		if d == nil {
			return false
		}
		if s.isAt(d, f) {
			return true
		}
	}
}

// isAt calls f unless the subscription has moved on meanwhile.
func (s *Subscription) isAt(d *delivery, f func(d *delivery)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.place.Load() != d {
		return false
	}
	f(d)
	return true
}

// Started is the standing after which everything is delivered. It is zero for a
// live start before the log has begun, and without a history for one at a
// position that a client names.
func (s *Subscription) Started() changelog.Standing { return s.started }

// Standing is up to where everything that the subscription is to have has been
// pushed; zero once it is closed.
func (s *Subscription) Standing() (at changelog.Standing) {
	s.at(func(d *delivery) { at = d.standing(s) })
	return at
}

// AtStanding calls f with the standing while nothing else is pushed for the
// subscription, so that what f pushes is in its place. It is false, and f is not
// called, when the subscription is closed. f must call no method of the
// subscription.
func (s *Subscription) AtStanding(f func(changelog.Standing)) bool {
	return s.at(func(d *delivery) { f(d.standing(s)) })
}

// Close takes the subscription out of its place. When it returns nothing is
// pushed for it any more.
func (s *Subscription) Close() {
	s.at(func(d *delivery) {
		s.place.Store(nil)
		d.drop(s)
		if s.isApart {
			s.fanout.metrics.apart.Dec()
		}
	})
}

// Bindings are those that match; none when they are detached or the subscription
// is closed.
func (s *Subscription) Bindings() (bindings []diagnose.Binding) {
	s.at(func(*delivery) {
		if s.bindings != nil {
			bindings = s.request.Bindings
		}
	})
	return bindings
}

// HasBindings reports whether the channel has bindings, detached ones too.
func (s *Subscription) HasBindings() bool { return len(s.request.Bindings) > 0 }

// Detach takes the bindings out: when it returns no change is pushed for them
// any more. Messages from SQL go on.
func (s *Subscription) Detach() {
	s.at(func(d *delivery) {
		d.unfileAll(s)
		for _, b := range s.bindings {
			b.isDetached = true
		}
		for i := range s.request.Bindings {
			if s.behind() {
				s.end(&s.request.Bindings[i])
			}
		}
		s.bindings = nil
	})
}

// Refile gives the bindings to another subject at the very place in the log
// where they are: nothing is lost or repeated. What was matched but not sent yet
// was decided for the subject before. Bindings that are detached get another
// chance, live from now.
func (s *Subscription) Refile(subject *policy.Subject) {
	s.at(func(d *delivery) {
		d.unfileAll(s)
		if s.bindings == nil {
			s.attachAgain(subject)
		} else {
			for i, b := range s.bindings {
				s.bindings[i] = b.as(subject)
			}
		}
		d.fileAll(s)
	})
}

// attachAgain makes the bindings anew. The lock of the place is held.
func (s *Subscription) attachAgain(subject *policy.Subject) {
	live := s.fanout.log.Live()
	s.ended = nil
	for i := range s.request.Bindings {
		again := newBinding(s, &s.request.Bindings[i], subject)
		again.after = live
		s.bindings = append(s.bindings, again)
	}
}

// Idle has all bindings wait for the table of one of them, or none for nil. The
// first row of the table ends it too, and is told by Request.Published.
func (s *Subscription) Idle(missing *diagnose.Binding) {
	s.at(func(*delivery) { s.missing = missing })
}
