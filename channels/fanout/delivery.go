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
// to it, in three steps: match (under the lock), wait for a look at the rules of
// what is under row-level security (without it), send (under the lock). What is
// not decided then waits in the queue of its subscription until the judge has
// asked; the delivery goes on.
type delivery struct {
	fanout *Fanout
	kind   kind
	hooks
	leader *leader // nil for all but direct lanes

	mu         sync.Mutex
	attached   attached
	relations  relations
	generation policy.Generation // that the relations are of, at least
	waiting    map[*Subscription]struct{}
	standings

	delivering
}

// delivering is what a delivery has of the changes at hand. The batch and read
// belong to the goroutine that calls deliver; the lock guards the frames and the
// round.
type delivering struct {
	batch  batch
	read   readMark
	frames frames
	round  uint64 // counts changes, to tell hits of this one from those of others
}

// readMark is that everything up to a standing had been read from the WAL at a
// time.
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

// hooks are what deliveries of different kinds do differently.
type hooks struct {
	// divert takes over a subscription one of whose changes is not for everybody
	// to see; nil where those are delivered.
	divert func(s *Subscription, position wal.Position)
	// spill takes over a subscription of which too much waits; nil where the
	// delivery waits for it.
	spill func(s *Subscription, position wal.Position)
	// pace calls back when the client has room; nil where nobody is waited for.
	pace func(ctx context.Context, size int, send func())
	// woken has a token when something may have been decided; nil where that is
	// sent by who finds it out.
	woken chan struct{}
}

// standings are where a delivery is.
type standings struct {
	taken wal.Position       // last change matched; later ones will be
	sent  changelog.Standing // everything up to here has been pushed, or waits
}

func (d *delivery) init(f *Fanout, k kind) {
	d.fanout, d.kind = f, k
	d.attached = newAttached(f.policy, f.config.Locale)
	d.relations, d.waiting = relations{}, map[*Subscription]struct{}{}
	d.frames = frames{limit: f.config.MaxChangeBytes, metrics: f.metrics, byKey: map[frameKey]*protocol.Frame{}}
}

// add attaches a subscription, which gets from here on what is due to it. d.mu
// is held.
func (d *delivery) add(s *Subscription) {
	s.round = 0 // each delivery counts rounds for itself
	s.place.Store(d)
	d.attached.add(s)
	d.fileAll(s)
}

// drop takes a subscription out that is about to be added elsewhere: it is never
// seen without a place. d.mu is held.
func (d *delivery) drop(s *Subscription) {
	d.discard(s)
	d.unfileAll(s)
	d.attached.remove(s)
	if d.woken != nil {
		d.signal()
	}
}

// fileAll has the subscription's bindings match. d.mu is held.
func (d *delivery) fileAll(s *Subscription) {
	for _, b := range s.bindings {
		d.attached.file(b)
	}
	d.fanout.metrics.bindings.Add(float64(len(s.bindings)))
}

// unfileAll ends fileAll. d.mu is held.
func (d *delivery) unfileAll(s *Subscription) {
	for _, b := range s.bindings {
		d.attached.unfile(b)
	}
	d.fanout.metrics.bindings.Sub(float64(len(s.bindings)))
}

// deliver brings changes to the subscriptions that match and may see them. It
// is false when ctx was done before they all were.
func (d *delivery) deliver(ctx context.Context, changes []*wal.Change) bool {
	for len(changes) > 0 {
		n, unknown := d.match(changes)
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

// advance notes that what was taken has been pushed to whom it concerns. d.mu is
// held.
func (d *delivery) advance(to wal.Position) {
	if to.Compare(d.sent.Position) > 0 {
		d.sent.Position = to
	}
}

// progress is up to where everything has been pushed.
func (d *delivery) progress() changelog.Standing {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sent
}

// standing is up to where everything that a subscription of the delivery is to
// have has been pushed. d.mu is held.
func (d *delivery) standing(s *Subscription) changelog.Standing {
	if s.behind() {
		return changelog.Standing{History: d.sent.History, Position: justBefore(s.queue.steps[0].change.Position)}
	}
	at := s.due.rows
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
