package fanout

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// viewers are the subscriptions that have a view. What changes the rows of a view and
// is no change of its table is looked for here: who may see what, and which columns there
// are. It is safe for concurrent use.
type viewers struct {
	fanout *Fanout

	mu    sync.Mutex
	all   map[*Subscription]struct{}
	there chan struct{} // closed while there are some
}

func newViewers(f *Fanout) *viewers {
	return &viewers{fanout: f, all: map[*Subscription]struct{}{}, there: make(chan struct{})}
}

// viewersEvery is how often it is seen whether a look at the rules of access has found a
// change.
const viewersEvery = 50 * time.Millisecond

// recheckEvery is how often it is seen whether a view is to be looked at again.
func (v *viewers) recheckEvery() time.Duration {
	return min(max(v.fanout.config.ViewRecheck/10, viewersEvery), time.Second)
}

func (v *viewers) add(s *Subscription) {
	if !slices.ContainsFunc(s.bindings, func(b *binding) bool { return b.isView() }) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.all) == 0 {
		close(v.there)
	}
	v.all[s] = struct{}{}
}

func (v *viewers) remove(s *Subscription) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, has := v.all[s]; !has {
		return
	}
	if delete(v.all, s); len(v.all) == 0 {
		v.there = make(chan struct{})
	}
}

// some is closed once there are some.
func (v *viewers) some() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.there
}

func (v *viewers) list() []*Subscription {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Collect(maps.Keys(v.all))
}

// run has the rows of views taken anew, until ctx is done, when who may see them has
// changed, and looks at those again of which nothing tells. It asks Postgres nothing.
func (v *viewers) run(ctx context.Context) error {
	var seen policy.Generation
	var looked time.Time
	return v.each(ctx, func(now time.Time) {
		v.giveBack()
		if now.Sub(looked) >= v.recheckEvery() {
			looked = now
			for _, s := range v.list() {
				v.recheck(s, now)
			}
		}
		generation := v.fanout.policy.Generation()
		if generation == seen {
			return
		}
		known := true
		for _, s := range v.list() {
			known = v.review(s, func(b *binding, held *viewRows) (protocol.SnapshotReason, bool) {
				_, known := v.fanout.policy.Known(held.view.Relation, b.subject)
				if held.isOutdated(v.fanout.policy, b.subject) {
					return protocol.SnapshotAccess, true
				}
				return "", known
			}) && known
		}
		if known {
			seen = generation
		}
	})
}

// giveBack ends views of an account that has much more rows than another one which needs
// some, until there is room for these.
func (v *viewers) giveBack() {
	keys := v.fanout.config.Keys
	if !keys.IsOver() {
		return
	}
	for _, s := range v.list() {
		s.withDelivery(func(d *delivery) {
			for _, b := range slices.Clone(s.bindings) {
				if held := b.held(); held != nil && held.keys.IsRevoked() {
					s.endBinding(d, b.Binding, *diagnose.ViewTooLarge(b.Binding, keys.Most()))
				}
			}
		})
	}
}

// each calls f every so often, while there are some, until ctx is done.
func (v *viewers) each(ctx context.Context, f func(now time.Time)) error {
	ticker := time.NewTicker(viewersEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.some():
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			f(time.Now()) // the tick may be of long ago
		}
	}
}

// How often it is looked how tables are published, and again after an error.
const (
	formsEvery = 2 * time.Second
	formsRetry = time.Second
)

// follow has the rows of views taken anew, until ctx is done, when their tables have other
// columns, or are published with other row filters, though nothing happens to the tables.
func (v *viewers) follow(ctx context.Context) error {
	var seen policy.Generation
	var next time.Time
	return v.each(ctx, func(now time.Time) {
		generation := v.fanout.policy.Generation()
		if now.Before(next) && (generation == seen || next.Sub(now) < formsRetry) {
			return
		}
		all := v.list()
		next = now.Add(formsEvery)
		forms, err := v.fanout.config.Snapshots.Forms(ctx)
		shapes := map[*wal.Relation]bool{}
		for _, s := range all {
			if err == nil {
				err = v.lookAtShapes(ctx, s, shapes)
			}
		}
		if err != nil {
			next = now.Add(formsRetry)
			return
		}
		for _, s := range all {
			v.review(s, func(_ *binding, held *viewRows) (protocol.SnapshotReason, bool) {
				if same, known := shapes[held.view.Relation]; known && !same || forms[held.view.Relation.OID] != held.reads.Form {
					return protocol.SnapshotSchema, true
				}
				return "", true
			})
		}
		seen = generation
	})
}

// review has the rows of the views of a subscription taken anew for which there is a
// reason. It is false if that is not known of all.
func (v *viewers) review(s *Subscription, look func(*binding, *viewRows) (reason protocol.SnapshotReason, known bool)) (all bool) {
	all = true
	s.withDelivery(func(d *delivery) {
		at, due := d.standings.reached(s).Position, false
		for _, b := range s.bindings {
			held := b.held()
			if held == nil {
				continue
			}
			reason, known := look(b, held)
			if all = all && known; reason != "" {
				b.demand(reason)
				due = true
			}
		}
		if due {
			d.waiting.leave(s, at)
		}
	})
	return all
}

// lookAtShapes finds out which of the states of tables by which views have their rows are
// the present ones, if something of the tables is different by now.
func (v *viewers) lookAtShapes(ctx context.Context, s *Subscription, shapes map[*wal.Relation]bool) (err error) {
	for _, rel := range v.altered(s) {
		if _, known := shapes[rel]; !known && err == nil {
			shapes[rel], err = v.fanout.config.Snapshots.IsPresent(ctx, rel)
		}
	}
	return err
}

// altered are the states of tables by which views have their rows, and of whose tables
// something is different by now.
func (v *viewers) altered(s *Subscription) (all []*wal.Relation) {
	s.withDelivery(func(*delivery) {
		for _, b := range s.bindings {
			held := b.held()
			if held == nil {
				continue
			}
			if now, ok := v.fanout.policy.Known(held.view.Relation, b.subject); ok && now != nil && now.Own != held.view.Own {
				all = append(all, held.view.Relation)
			}
		}
	})
	return all
}
