package fanout

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// viewers are the subscriptions that have a view. What changes the rows of a view and
// is no change of its table is looked for here: who may see what, and which columns there
// are. It is safe for concurrent use.
type viewers struct {
	fanout *Fanout

	mu  sync.Mutex
	all map[*Subscription]struct{}
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
	if v.all == nil {
		v.all = map[*Subscription]struct{}{}
	}
	v.all[s] = struct{}{}
}

func (v *viewers) remove(s *Subscription) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.all, s)
}

func (v *viewers) list() []*Subscription {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Collect(maps.Keys(v.all))
}

// run has the rows of views taken anew, until ctx is done, when who may see them has
// changed, or which columns they have: also where nothing happens to the table.
func (v *viewers) run(ctx context.Context) error {
	ticker := time.NewTicker(viewersEvery)
	defer ticker.Stop()
	var seen policy.Generation
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if began := time.Now(); began.Sub(looked) >= v.recheckEvery() {
			looked = began
			for _, s := range v.list() {
				v.recheck(s, began)
			}
		}
		now := v.fanout.policy.Generation()
		if now == seen {
			continue
		}
		shapes, isKnown := map[*wal.Relation]bool{}, true
		for _, s := range v.list() {
			isKnown = v.review(ctx, s, shapes) && isKnown
		}
		if isKnown {
			seen = now
		}
	}
}

// review has the rows of views taken anew that are not what they would be now. shapes
// has, of states of tables, whether they are the present ones. It is false if that is not
// known of all.
func (v *viewers) review(ctx context.Context, s *Subscription, shapes map[*wal.Relation]bool) (isKnown bool) {
	isKnown = true
	for _, rel := range v.altered(s) {
		if _, known := shapes[rel]; known {
			continue
		}
		same, err := v.fanout.config.Snapshots.IsPresent(ctx, rel)
		if isKnown = isKnown && err == nil; err == nil {
			shapes[rel] = same
		}
	}
	s.withDelivery(func(d *delivery) {
		at, due := d.standings.reached(s).Position, false
		for _, b := range s.bindings {
			if why := v.whyAnew(b, shapes); why != "" {
				b.demand(why)
				due = true
			}
		}
		if due {
			d.waiting.leave(s, at)
		}
	})
	return isKnown
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

// whyAnew is why the rows of a view are to be taken anew, "" if they are not.
func (v *viewers) whyAnew(b *binding, shapes map[*wal.Relation]bool) protocol.SnapshotReason {
	held := b.held()
	if held == nil {
		return ""
	}
	if same, known := shapes[held.view.Relation]; known && !same {
		return protocol.SnapshotSchema
	}
	if held.isOutdated(v.fanout.policy, b.subject) {
		return protocol.SnapshotAccess
	}
	return ""
}
