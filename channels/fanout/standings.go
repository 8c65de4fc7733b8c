package fanout

import (
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// standings are how far a delivery has come. They are guarded by its lock.
type standings struct {
	taken wal.Position       // the last change that was matched
	sent  changelog.Standing // everything up to here has been pushed, or waits in a queue
}

// restart has the delivery go on after a standing.
func (s *standings) restart(at changelog.Standing) { s.taken, s.sent = at.Position, at }

// advance notes that everything up to a position has been pushed.
func (s *standings) advance(to wal.Position) {
	if to.Compare(s.sent.Position) > 0 {
		s.sent.Position = to
	}
}

// isIn reports whether the delivery is in a history. One that has read nothing yet is in
// any: it will find out if the log has begun anew. Subscriptions of another history must not
// be added: the delivery has told its own that the log has begun anew, and tells nobody again.
func (s *standings) isIn(h changelog.History) bool {
	return h != (changelog.History{}) && (s.sent.History == h || s.sent.History == (changelog.History{}))
}

// of is up to where everything has been pushed that a subscription of the
// delivery is to get; zero while its client still waits for its first rows, and before a
// gap as long as its client was not told of it.
func (s *standings) of(sub *Subscription) changelog.Standing {
	switch {
	case sub.awaitsRows():
		return changelog.Standing{}
	case sub.gap != nil:
		return changelog.Standing{History: sub.gap.to.History, Position: sub.gap.from}
	}
	return s.reached(sub)
}

// reached is of for what goes on with the changes of the subscription: it does not get
// any more what is behind it, even if the client is still to be told so.
func (s *standings) reached(sub *Subscription) changelog.Standing {
	if sub.behind() {
		return changelog.Standing{History: s.sent.History, Position: justBefore(sub.queue.steps[0].change.Position)}
	}
	at := sub.progress.rows
	if s.sent.Position.Compare(at.Position) > 0 {
		at = s.sent
	}
	if at == (changelog.Standing{}) && sub.attachedTo.Load().kind != catchingUp {
		at = sub.fanout.log.Beginning() // it came before the log, and the lane has read nothing
	}
	return sub.fanout.log.Reach(at)
}

// justBefore is the position after which a cursor's first change is p's.
func justBefore(p wal.Position) wal.Position {
	if p.Seq > 0 {
		return wal.Position{LSN: p.LSN, Seq: p.Seq - 1}
	}
	return wal.Before(p.LSN)
}
