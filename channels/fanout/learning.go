package fanout

import (
	"context"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// viewsWaitedFor is how long a lane waits for the views of a new state of a table.
// What they are needed for waits beside the lane from then on.
const viewsWaitedFor = 250 * time.Millisecond

// learn makes a new state of a relation known. It is false when ctx is done.
func (d *delivery) learn(ctx context.Context, rel *wal.Relation) bool {
	var limit <-chan time.Time
	if d.kind != catchingUp {
		timer := time.NewTimer(viewsWaitedFor)
		defer timer.Stop()
		limit = timer.C
	}
	for _, done := range d.meet(rel) {
		select {
		case <-done:
		case <-limit:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// meet takes in what is known already of what the roles may see of a relation,
// and has the rest read.
func (d *delivery) meet(rel *wal.Relation) (reading []<-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.relations[rel.OID]
	if known == nil || known.of != rel {
		if known != nil && known.isSecured() {
			d.attached.index.Invalidate(rel.OID)
		}
		known = newRelation(rel)
		d.relations[rel.OID] = known
	}
	for role := range known.faults {
		d.forgetView(known, role)
	}
	known.awaited = true
	for role, use := range d.attached.roles {
		if _, loaded := known.views[role]; loaded {
			continue
		}
		if view, ok := d.fanout.policy.Known(rel, use.subject); ok {
			d.takeView(known, role, view, nil)
			continue
		}
		reading = append(reading, d.fanout.views.load(d, known, use.subject))
	}
	return reading
}

// takeView takes in a view. d.mu is held.
func (d *delivery) takeView(known *relation, role string, view *policy.View, fault error) {
	if known.learn(role, view, fault) && d.relations[known.of.OID] == known {
		d.attached.index.Invalidate(known.of.OID)
	}
}

// learned takes in a view that was read, for which changes may be waiting.
func (d *delivery) learned(known *relation, role string, view *policy.View, fault error) {
	d.takeViewNow(known, role, view, fault)
	d.wake(nil)
}

func (d *delivery) takeViewNow(known *relation, role string, view *policy.View, fault error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.takeView(known, role, view, fault)
}

// refresh goes over to views that are known to be newer, once a look has found
// that something has changed. d.mu is held.
func (d *delivery) refresh() {
	now := d.fanout.policy.Generation()
	if now == d.generation {
		return
	}
	d.generation = now
	for _, known := range d.relations {
		for role := range known.views {
			view, ok := (*policy.View)(nil), false
			if use := d.attached.roles[role]; use.bindings > 0 {
				view, ok = d.fanout.policy.Known(known.of, use.subject)
			}
			if ok {
				d.takeView(known, role, view, nil)
			} else {
				d.forgetView(known, role)
			}
		}
	}
}

// forgetView has a view read again. d.mu is held.
func (d *delivery) forgetView(known *relation, role string) {
	if isSecured(known.views[role]) {
		d.attached.index.Invalidate(known.of.OID)
	}
	known.forget(role)
}
