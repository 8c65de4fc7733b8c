package fanout

import (
	"errors"
	"time"

	"walcast/internal/heavy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// Start says where a subscription begins. The zero Start is live.
type Start struct {
	From Origin
	At   changelog.Standing // for Proven
	// Forgotten says that the client may have been here before, and that it is
	// not known what it has: it is told to resync. If the log has not begun
	// yet, it is told when it has.
	Forgotten bool
	// Resync is told first, for Live. Its position is filled in.
	Resync *changelog.ResyncError
}

// Origin is what is known of where a client was.
type Origin uint8

// The origins.
const (
	Live   Origin = iota // nothing: it gets rows and messages from SQL that come from now on
	Proven               // it is known to have everything up to a standing, messages from SQL too
	Named                // it names the positions after which it wants rows, in Request.After; it gets messages from SQL from now on
)

// Subscribe attaches a channel. Frames may be pushed for it before Subscribe
// returns.
func (f *Fanout) Subscribe(r Request, start Start) (s *Subscription) {
	f.catchUps.heavy.If(len(r.Bindings) >= heavy.Bindings, func() {
		s = newSubscription(f, r)
		f.begin(s, r, start)
	})
	return s
}

// begin attaches a subscription that is new.
func (f *Fanout) begin(s *Subscription, r Request, start Start) {
	direct := f.shardOf(r.Topic.Name).direct
	switch {
	case start.From == Proven:
		f.subscribeProven(s, direct, start.At)
	case start.From == Named:
		f.subscribeNamed(s, direct, r.After, start.Forgotten)
	case !start.Forgotten:
		f.subscribeLive(s, direct, start.Resync)
	case f.log.Standing() == changelog.Standing{}: // what it misses is known when the log begins
		f.catchUp(s, direct, changelog.Standing{})
	default:
		f.subscribeLive(s, direct, unknownClient(f.log))
	}
}

// subscribeLive starts a subscription from now on. If e is not nil the client
// is told to resync first. Until the log has begun even dedicated subscriptions
// are on a lane, as there is no position yet from which a catch-up could read.
func (f *Fanout) subscribeLive(s *Subscription, direct *lane, e *changelog.ResyncError) {
	var live changelog.Standing
	if e != nil {
		s.demand(protocol.SnapshotResync, wal.Position{}) // before it is decided where it begins
	}
	if s.isDedicated || s.awaitsRows() {
		live = f.log.Standing()
	}
	switch {
	case live.Position.IsZero() && s.awaitsRows():
		s.progress.since = time.Now().Add(-clockSkew) // as on a lane
		s.progress.startLive(direct.live())
		if e != nil {
			s.resync(e)
		}
		f.catchUpFromStart(s, direct)
		return
	case live.Position.IsZero():
		direct.attach(s, e)
		return
	}
	s.started, s.progress = live, progress{rows: live}
	s.progress.startLive(direct.live())
	if e != nil {
		told := *e
		told.Oldest, told.Position, told.History = f.log.Oldest(), live.Position, live.History
		s.resync(&told)
		if len(s.bindings) > 0 {
			s.missMessages()
		}
	}
	f.catchUp(s, direct, live)
}

// subscribeProven starts a subscription at the standing up to which its client
// has everything.
func (f *Fanout) subscribeProven(s *Subscription, direct *lane, at changelog.Standing) {
	s.started, s.progress = at, progress{rows: at, messages: at, withOld: true}
	s.unfinished.goOn(at.Position)
	if len(s.bindings) == 0 && direct.attachProven(s, at) {
		return
	}
	f.catchUp(s, direct, at)
}

// subscribeNamed starts a subscription at the earliest position that its client
// names. A binding without a position starts live. If it is not known which
// broadcasts the client has, it is told so before the first row; of rows it
// misses none. A position that is known to be of another history is told.
func (f *Fanout) subscribeNamed(s *Subscription, direct *lane, named []changelog.Named, forgotten bool) {
	to, err := f.log.Locate(named)
	var resync *changelog.ResyncError
	if errors.As(err, &resync) {
		f.subscribeLive(s, direct, resync)
		return
	}
	live := f.log.Standing()
	s.unfinished.goOn(to.After...)
	from := changelog.Standing{History: to.History}
	for i, b := range s.bindings {
		b.after = to.After[i]
		switch {
		case b.after.IsZero():
			b.after = live.Position
		case from.Position.IsZero() || b.after.Compare(from.Position) < 0:
			from.Position = b.after
		}
	}
	s.started = changelog.Standing{History: live.History, Position: from.Position}
	if !to.Begun {
		s.started.History = changelog.History{}
	}
	s.progress = progress{rows: from}
	s.progress.startLive(direct.live())
	if forgotten {
		missed := unknownClient(f.log)
		missed.Position, missed.History = from.Position, from.History
		s.tell(missed)
	}
	if to.Begun {
		named = nil
	}
	f.catchUp(s, direct, from, named...)
}
