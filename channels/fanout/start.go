package fanout

import (
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// Start says where a subscription begins. The zero Start is live.
type Start struct {
	From Origin
	At   changelog.Standing // if From is Proven
	// Forgotten says that the client may have been here before, and that it is
	// not known what it has: it is told to resync. Before the log has begun that
	// waits until it does.
	Forgotten bool
	// Resync is told first, of a Live start. Its position is filled in.
	Resync *changelog.ResyncError
}

// Origin is what is known of where a client was.
type Origin uint8

// The origins.
const (
	Live   Origin = iota // nothing: rows and messages from SQL that come from now on
	Proven               // it is known to have everything up to a standing, messages from SQL too
	Named                // it says up to where it has rows, in Request.After; messages from SQL from now on
)

// Subscribe attaches a channel. What is due to it may be pushed before Subscribe
// returns.
func (f *Fanout) Subscribe(r Request, start Start) *Subscription {
	s := newSubscription(f, r)
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
		f.subscribeLive(s, direct, unknown(f.log))
	}
	return s
}

// subscribeLive starts a subscription from now, once it has been told to resync if
// e is not nil. Before the log has begun all are on lanes: what is live is not known
// yet.
func (f *Fanout) subscribeLive(s *Subscription, direct *lane, e *changelog.ResyncError) {
	var live changelog.Standing
	if s.isApart {
		live = f.log.Standing()
	}
	if live.Position.IsZero() {
		direct.attach(s, e)
		return
	}
	s.started, s.due = live, due{rows: live}
	s.due.startLive(direct.live())
	if e != nil {
		told := *e
		told.Oldest, told.Position, told.History = f.log.Oldest(), live.Position, live.History
		s.resync(&told)
	}
	f.catchUp(s, direct, live)
}

func (f *Fanout) subscribeProven(s *Subscription, direct *lane, at changelog.Standing) {
	s.started, s.due = at, due{rows: at, messages: at, old: true}
	if len(s.bindings) == 0 && direct.attachProven(s, at) {
		return
	}
	f.catchUp(s, direct, at)
}

// subscribeNamed starts a subscription at the earliest position that its client
// names. A binding that names none starts live. The client whose broadcasts are
// forgotten is told so before any row, of which none is missing.
func (f *Fanout) subscribeNamed(s *Subscription, direct *lane, after []wal.Position, forgotten bool) {
	live := f.log.Standing()
	var from changelog.Standing
	for i, b := range s.bindings {
		b.after = after[i]
		switch {
		case b.after.IsZero():
			b.after = live.Position
		case from.Position.IsZero() || b.after.Compare(from.Position) < 0:
			from.Position = b.after
		}
	}
	s.started = changelog.Standing{History: live.History, Position: from.Position}
	s.due = due{rows: from}
	s.due.startLive(direct.live())
	if forgotten {
		unheard := unknown(f.log)
		unheard.Position = from.Position
		s.tell(unheard)
	}
	f.catchUp(s, direct, from)
}
