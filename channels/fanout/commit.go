package fanout

import (
	"slices"

	"walcast/protocol"
	"walcast/replication/wal"
)

// unfinished is what a subscription has of a transaction whose end its client is
// still to be told. It is guarded by the lock of the subscription's delivery, and
// goes with the subscription from one to the next.
type unfinished struct {
	asks    bool    // some binding asks for the ends of transactions; else nothing of the rest is used
	of      wal.LSN // the transaction of which a change was sent, 0 if its end was sent too
	waiting wal.LSN // the newest transaction of which a change has joined the queue
	noted   bool    // the subscription is in the delivery's list
	// named are the positions from which the client goes on, those that may be of
	// a change, in order: it has had a part of their transactions, and is told of
	// their end even if nothing else of them is left.
	named []wal.Position
}

// asksForCommits reports whether some binding asks for the ends of transactions.
func (r *Request) asksForCommits() bool {
	for i := range r.Bindings {
		if r.Bindings[i].Spec.Transactions || r.Bindings[i].Spec.WantsSnapshot() {
			return true
		}
	}
	return false
}

// goOn notes the positions from which the client goes on.
func (u *unfinished) goOn(from ...wal.Position) {
	if !u.asks {
		return
	}
	for _, p := range from {
		if p.LSN != 0 && p.LSN%8 == 0 { // else it is of no commit, see wal.Before
			u.named = append(u.named, p)
		}
	}
	slices.SortFunc(u.named, wal.Position.Compare)
	u.named = slices.Compact(u.named)
}

// isDue reports whether the client is to be told of the end of a transaction.
func (u *unfinished) isDue(commit *wal.Change) bool {
	return u.of == commit.Position.LSN || slices.ContainsFunc(u.named, func(p wal.Position) bool {
		return p.LSN == commit.Position.LSN && p.Seq < commit.Position.Seq
	})
}

// finish notes the end of a transaction, and reports whether the client is to be
// told of it.
func (u *unfinished) finish(commit *wal.Change) (due bool) {
	due = u.isDue(commit)
	if u.of == commit.Position.LSN {
		u.of = 0
	}
	u.named = slices.DeleteFunc(u.named, func(p wal.Position) bool { return p.Compare(commit.Position) <= 0 })
	return due
}

// isOpen reports whether the client may have to be told of the end of a transaction.
func (u *unfinished) isOpen() bool { return u.of != 0 || len(u.named) > 0 }

// forget has nothing be told of transactions whose changes are gone: the client
// fetches what they did.
func (u *unfinished) forget() { u.of, u.named = 0, nil }

// note has the delivery look at a subscription when the next transaction ends.
func (a *attached) note(s *Subscription) {
	if s.unfinished.asks && !s.unfinished.noted {
		s.unfinished.noted = true
		a.noted = append(a.noted, s)
	}
}

// noteAgain is note for a subscription that comes from another delivery.
func (a *attached) noteAgain(s *Subscription) {
	s.unfinished.noted, s.unfinished.waiting = false, 0
	if s.unfinished.isOpen() {
		a.note(s)
	}
}

// isDue reports whether a subscription is to be told of the end of a transaction
// that is about to be sent.
func (a *attached) isDue(commit *wal.Change) bool {
	return slices.ContainsFunc(a.noted, func(s *Subscription) bool { return s.unfinished.isDue(commit) })
}

// commit adds the end of a transaction to what is to be sent, if a subscription
// may want it.
func (r *matcher) commit(c *wal.Change, to *matched) {
	if r.attached.asking > 0 {
		to.messages = append(to.messages, message{change: c, before: len(to.matches)})
	}
}

// commit tells the end of a transaction to the subscriptions that got some of it.
// Where a change of it waits in the queue, the end joins it.
func (o *sender) commit(c *wal.Change) {
	noted := o.attached.noted
	o.attached.noted = nil
	for _, s := range noted {
		if !o.attached.has(s) {
			continue
		}
		s.unfinished.noted = false
		switch {
		case !s.behind() && s.gap == nil:
			o.frames.commitTo(s, c)
		case s.unfinished.isDue(c) || s.unfinished.waiting == c.Position.LSN:
			o.waiting.put(s, step{change: c})
		}
		if o.attached.has(s) && s.unfinished.isOpen() { // also of a later one, if it has come from another delivery
			o.attached.note(s)
		}
	}
	if o.attached.noted == nil { // keeps the array
		clear(noted)
		o.attached.noted = noted[:0]
	}
}

// passes reports whether a step is the end of a transaction that nobody is to be
// told of, so that nothing has to wait for room.
func (d *delivery) passes(st step) bool {
	if st.change.Operation != wal.Commit {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.matcher.attached.isDue(st.change)
}

// commitTo tells one subscription of the end of a transaction if it got some of
// it.
func (f *frames) commitTo(s *Subscription, c *wal.Change) {
	if s.unfinished.finish(c) {
		f.begin(c)
		s.request.Outbox.Push(f.commit(c, s.topic, s.request.Address.Version))
	}
}

// commit returns the frame of the end of a transaction, one for all channels of
// a topic.
func (f *frames) commit(c *wal.Change, topic topicID, version protocol.Version) *protocol.Frame {
	key := frameKey{topic: topic, version: version}
	if frame := f.byKey[key]; frame != nil {
		return frame
	}
	frame := version.Commit(topic.Value().Name, protocol.Committed{
		LSN: c.Position.LSN.String(), XID: c.XID, Position: c.Position.String(),
		CommitTimestamp: string(protocol.AppendTimestamp(nil, c.CommitTime)),
	})
	f.metrics.frames.Inc()
	f.byKey[key] = frame
	return frame
}
