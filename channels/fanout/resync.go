package fanout

import (
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// codeAccessChanged is the code of a resync where who may see what has changed
// after rows were committed and before they could be judged.
const codeAccessChanged = "access_changed"

// broadcastsMissed is told to clients without bindings. It has no positions, as
// they go by none.
var broadcastsMissed = &changelog.ResyncError{Code: protocol.CodeBroadcastsMissed, Reason: protocol.ReasonBroadcastsMissed}

// lose acts on changes that the subscription cannot have any more, of which its
// client is told: one without bindings only if it counts on messages from SQL.
// The lock of the place is held.
func (s *Subscription) lose(e *changelog.ResyncError) {
	switch {
	case len(s.bindings) > 0:
		s.resync(e)
	case s.request.Member != nil && s.request.Recognised:
		s.resync(broadcastsMissed)
	}
}

// behindOf is the error as it is true of the subscription: what waits to be decided
// is lost with what the log does not have any more, though the cursor has read it.
// The lock of the place is held.
func (s *Subscription) behindOf(e *changelog.ResyncError) *changelog.ResyncError {
	if !s.behind() {
		return e
	}
	own := *e
	if first := justBefore(s.queue.steps[0].change.Position); first.Compare(own.From) < 0 {
		own.From = first
	}
	return &own
}

// resync tells the client that it missed changes, why, and from where on it has
// everything again. The lock of the place is held, if there is one yet.
func (s *Subscription) resync(e *changelog.ResyncError) {
	for _, b := range s.bindings {
		b.after = wal.Position{} // of what is gone
	}
	if !e.Position.IsZero() {
		s.due.since = time.Time{} // everything after the position
	}
	s.tell(e)
}

// tell pushes the notice of a resync.
func (s *Subscription) tell(e *changelog.ResyncError) {
	if count := s.fanout.config.Resynced; count != nil {
		count(e.Code)
	}
	s.request.Outbox.Push(s.request.Address.Resync(protocol.ResyncDetail{
		Reason: e.Reason, Code: e.Code, From: e.From.Text(), Oldest: e.Oldest.Text(), Position: e.Position.Text(),
	}))
}

// unknown is told to clients that may have been here before.
func unknown(log *changelog.Log) *changelog.ResyncError {
	at := log.Standing()
	return &changelog.ResyncError{
		Code: changelog.CodeUnknown, Reason: "the server does not know any more what this client has received",
		Oldest: log.Oldest(), Position: at.Position, History: at.History,
	}
}
