package fanout

import (
	"context"
	"sync"

	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// delivery turns batches of changes into frames for the subscriptions attached
// to it, in three steps: match (under the lock), decide who may see (without it,
// as Postgres may be asked), send (under the lock).
type delivery struct {
	fanout *Fanout
	// divert takes over a subscription one of whose changes needs asking; nil
	// where Postgres is asked on the spot.
	divert func(s *Subscription, position wal.Position)
	// pace calls back when the client has room; nil where nobody is waited for.
	pace   func(ctx context.Context, size int, send func())
	leader *leader // nil for all but direct lanes

	mu        sync.Mutex
	attached  attached
	relations relations
	taken     wal.Position       // last change matched; later ones will be
	sent      changelog.Standing // everything up to here has been pushed

	// What follows belongs to the goroutine that calls deliver.
	batch  batch
	frames frames
	round  uint64 // counts changes, to tell hits of this one from those of others
}

func (d *delivery) init(f *Fanout) {
	d.fanout = f
	d.attached = newAttached(f.policy, f.config.Locale)
	d.relations = relations{}
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
	d.unfileAll(s)
	d.attached.remove(s)
}

// fileAll has the subscription's bindings match. d.mu is held.
func (d *delivery) fileAll(s *Subscription) {
	for _, b := range s.bindings {
		d.file(b)
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

// file puts a binding into the index. Where nothing is known yet of what its
// role may see, the index must not ask: it compiles the table anew when that is
// loaded, with the next change.
func (d *delivery) file(b *binding) {
	if !d.attached.hasRole(b.subject.Role) {
		for oid, known := range d.relations {
			if _, loaded := known.views[b.subject.Role]; !loaded {
				d.attached.index.Invalidate(oid)
			}
		}
	}
	d.attached.file(b)
}

// deliver brings changes to the subscriptions that match and may see them. It
// is false when ctx was done before they all were.
func (d *delivery) deliver(ctx context.Context, changes []*wal.Change) bool {
	see := d.fanout.visibility
	for len(changes) > 0 {
		n, unknown, err := d.match(ctx, changes)
		if !see.decide(ctx, d.batch.matches, d.divert == nil) {
			return false
		}
		d.send(ctx)
		changes = changes[n:]
		if err != nil && !see.pause(ctx, "filters not decided, changes wait", err) || unknown != nil && !d.learn(ctx, unknown) {
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
