package fanout

import (
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// codeAccessChanged is the code of a resync for changed access: the rules have
// changed after rows were committed and before they could be judged.
const codeAccessChanged = "access_changed"

// broadcastsMissed is told to clients without bindings. It has no positions, as
// such clients know none.
var broadcastsMissed = &changelog.ResyncError{Code: protocol.CodeBroadcastsMissed, Reason: protocol.ReasonBroadcastsMissed}

// lose tells the client that changes are gone which it was still to get. A
// client without bindings, or of which all rows are sent anew, is told only if it
// expects to get messages from SQL that it has missed. The lock of s.attachedTo must be
// held.
func (s *Subscription) lose(e *changelog.ResyncError) {
	if len(s.bindings) > 0 {
		s.resync(e)
	}
	s.missMessages()
}

// missMessages tells the client that it may have missed messages from SQL, if it
// expects to get them and is not told of rows, which has it fetch all.
func (s *Subscription) missMessages() {
	if !s.isPlain() && s.request.Member != nil && s.request.Recognised {
		s.tell(broadcastsMissed)
	}
}

// MissBroadcasts tells the client that broadcasts of its topic are gone. Its rows go on
// from where they are.
func (s *Subscription) MissBroadcasts() {
	s.withDelivery(func(d *delivery) {
		missed := *broadcastsMissed
		if len(s.request.Bindings) > 0 {
			at := d.standings.of(s)
			missed.From, missed.Oldest, missed.Position, missed.History = at.Position, at.Position, at.Position, at.History
		}
		s.tell(&missed)
	})
}

// behindOf is the error as it is true of the subscription. What waits in its
// queue is lost too, though the cursor has read it, so the gap may begin
// earlier. The lock of s.attachedTo must be held.
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

// resync tells the client that it missed changes, why, and from which position
// on it gets everything again. The lock of s.attachedTo, if it has one yet,
// must be held.
func (s *Subscription) resync(e *changelog.ResyncError) {
	if s.gap != nil { // it is a part of what is missed now
		own := *e
		own.From = s.gap.from
		e, s.gap = &own, nil
	}
	for _, b := range s.bindings {
		b.after = wal.Position{} // the position is of what is gone
	}
	s.skip(e.Position)
	s.demand(reasonOf(e), wal.Position{})
	if len(s.bindings) == 0 || s.isPlain() { // others get all rows anew
		s.tell(e)
	}
}

// reasonOf is why the rows of bindings come anew in place of a resync.
func reasonOf(e *changelog.ResyncError) protocol.SnapshotReason {
	if e.Code == codeAccessChanged {
		return protocol.SnapshotAccess
	}
	return protocol.SnapshotResync
}

// skip forgets where the subscription was in what it misses, up to a position. The lock
// of s.attachedTo must be held.
func (s *Subscription) skip(to wal.Position) {
	if !to.IsZero() {
		s.progress.since = time.Time{} // everything after the position is sent
	}
	s.unfinished.forget()
}

// tell pushes the notice of a resync.
func (s *Subscription) tell(e *changelog.ResyncError) {
	if count := s.fanout.config.Resynced; count != nil {
		count(e.Code)
	}
	detail := protocol.ResyncDetail{
		Reason: e.Reason, Code: e.Code, From: e.From.Text(), Oldest: e.Oldest.Text(), Position: e.Position.Text(),
	}
	if s.request.Histories && e.History != (changelog.History{}) {
		detail.History = s.fanout.log.Provenance(e.Position).String()
	}
	s.request.Outbox.Push(s.request.Address.Resync(detail))
}

// tellGap tells the client of a gap, if there is one, before what follows is sent. The
// lock of s.attachedTo must be held.
func (s *Subscription) tellGap() (told bool) {
	if s.gap == nil {
		return false
	}
	e := &changelog.ResyncError{
		Code: codeAccessChanged, Reason: "who may see which rows has changed, and some that were committed before cannot be judged any more",
		From: s.gap.from, Oldest: s.fanout.log.Oldest(), Position: s.gap.to.Position, History: s.gap.to.History,
	}
	s.gap = nil
	s.fanout.metrics.outdated.Inc()
	s.tell(e)
	return true
}

// unknownClient is the error that is told to a client of which it is not known
// whether it was here before, nor what it has.
func unknownClient(log *changelog.Log) *changelog.ResyncError {
	at := log.Standing()
	return &changelog.ResyncError{
		Code: changelog.CodeUnknown, Reason: "the server does not know any more what this client has received",
		Oldest: log.Oldest(), Position: at.Position, History: at.History,
	}
}
