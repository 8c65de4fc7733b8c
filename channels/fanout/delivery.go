package fanout

import (
	"context"
	"sync"
	"time"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// delivery turns batches of changes into frames for the subscriptions attached
// to it, in three steps: match (with the lock), wait for a look at the rules of
// access if rows are under row-level security (without it), send (with it).
// What is not decided then waits in the queue of its subscription until
// Postgres has answered, and the delivery goes on.
type delivery struct {
	fanout *Fanout
	kind   kind
	hooks
	notes *messageNotes // of a direct lane, nil for others

	mu         sync.Mutex
	attached   attached
	tables     tableStates
	generation policy.Generation // the views in tables are of this generation at least
	waiting    map[*Subscription]struct{}
	standings

	delivering
}

// delivering is what a delivery has of the changes at hand. Matched and read
// belong to the goroutine that calls deliver; the lock guards the frames and
// the round.
type delivering struct {
	matched matched
	read    readMark
	frames  frames
	round   uint64 // counts changes, so that hits of this change are told from those of others
}

// readMark says that everything up to a standing had been read from the WAL at
// a time.
type readMark struct {
	changelog.Standing
	at time.Time
}

// kind is what a delivery is for.
type kind uint8

const (
	direct kind = iota
	secured
	catchingUp
)

// hooks are what deliveries of different kinds do differently. toSecured and
// toCatchUp are called while d.mu is held, pace is not.
type hooks struct {
	// toSecured moves a subscription to the secured lane, from after a position
	// on, as one of its changes is not for everybody to see. It is nil for
	// deliveries that send such changes themselves.
	toSecured func(s *Subscription, position wal.Position)
	// toCatchUp moves a subscription to a catch-up, from after a position on,
	// as too much of it waits or its bindings cost too much. It is nil for a
	// catch-up.
	toCatchUp func(s *Subscription, position wal.Position)
	// compute calls match while few other catch-ups compute. It is nil for lanes.
	compute func(match func())
	// pace calls send when the client has room. It is nil for deliveries that
	// never wait for a client.
	pace func(ctx context.Context, size int, send func())
	// waits is called before drain waits for what Postgres decides.
	waits func()
	// woken gets a token when something may have been decided. It is nil for
	// lanes, whose waiting steps are sent by the goroutine that got the answer.
	woken chan struct{}
}

// standings are how far a delivery has come.
type standings struct {
	taken wal.Position       // the last change that was matched
	sent  changelog.Standing // everything up to here has been pushed, or waits in a queue
}

func (d *delivery) init(f *Fanout, k kind) {
	d.fanout, d.kind = f, k
	d.attached = newAttached(f.policy, f.config.Locale)
	d.tables, d.waiting = tableStates{}, map[*Subscription]struct{}{}
	d.frames = frames{limit: f.config.MaxChangeBytes, metrics: f.metrics, byKey: map[frameKey]*protocol.Frame{}}
}

// add attaches a subscription. From now on the delivery sends what the
// subscription has still to get. d.mu must be held.
func (d *delivery) add(s *Subscription) {
	s.round = 0 // each delivery counts rounds for itself
	s.attachedTo.Store(d)
	d.attached.add(s)
	d.addBindings(s)
}

// drop takes a subscription out. Unless it is closed it is added to another
// delivery next: attachedTo stays as it is until then, so that nobody takes it
// for a closed one. d.mu must be held.
func (d *delivery) drop(s *Subscription) {
	d.discard(s)
	d.removeBindings(s)
	d.attached.remove(s)
	if d.woken != nil {
		d.signal()
	}
}

// addBindings has the subscription's bindings match. d.mu must be held.
func (d *delivery) addBindings(s *Subscription) {
	for _, b := range s.bindings {
		d.attached.addBinding(b)
	}
	d.fanout.metrics.bindings.Add(float64(len(s.bindings)))
}

// removeBindings has the subscription's bindings match no more. d.mu must be
// held.
func (d *delivery) removeBindings(s *Subscription) {
	for _, b := range s.bindings {
		d.attached.removeBinding(b)
	}
	d.fanout.metrics.bindings.Sub(float64(len(s.bindings)))
}

// deliver brings changes to the subscriptions that match and may see them. It
// is false when ctx was done before it had sent all.
func (d *delivery) deliver(ctx context.Context, changes []*wal.Change) bool {
	for len(changes) > 0 {
		n, unknown := 0, (*wal.Relation)(nil)
		match := func() { n, unknown = d.match(changes) }
		if d.compute == nil {
			match()
		} else {
			d.compute(match)
		}
		if !d.confirm(ctx) {
			return false
		}
		d.send(ctx)
		changes = changes[n:]
		if unknown != nil && !d.learn(ctx, unknown) {
			return false
		}
	}
	return true
}

// advance notes that everything up to a position has been pushed. d.mu must be
// held.
func (d *delivery) advance(to wal.Position) {
	if to.Compare(d.sent.Position) > 0 {
		d.sent.Position = to
	}
}

// sentUpTo is the standing up to which everything has been pushed.
func (d *delivery) sentUpTo() changelog.Standing {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sent
}

// standing is up to where everything has been pushed that a subscription of the
// delivery is to get. d.mu must be held.
func (d *delivery) standing(s *Subscription) changelog.Standing {
	if s.behind() {
		return changelog.Standing{History: d.sent.History, Position: justBefore(s.queue.steps[0].change.Position)}
	}
	at := s.progress.rows
	if d.sent.Position.Compare(at.Position) > 0 {
		at = d.sent
	}
	return d.fanout.log.Reach(at)
}

// justBefore is the position after which a cursor's first change is p's.
func justBefore(p wal.Position) wal.Position {
	if p.Seq > 0 {
		return wal.Position{LSN: p.LSN, Seq: p.Seq - 1}
	}
	return wal.Before(p.LSN)
}
