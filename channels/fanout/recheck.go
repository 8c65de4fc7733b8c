package fanout

import (
	"context"
	"math"
	"slices"
	"time"

	"walcast/channels/live"
	"walcast/protocol"
	"walcast/replication/changelog"
)

// Which rows a view has may depend on what neither the WAL nor the catalog shows. Then it
// is looked every so often whether Postgres still says the same.

// recheck has it looked whether the views that depend on something hidden still have the
// rows that Postgres says, if it is time to.
func (v *viewers) recheck(s *Subscription, now time.Time) {
	every := v.fanout.config.ViewRecheck
	s.withDelivery(func(d *delivery) {
		at, due := d.standings.reached(s).Position, false
		for _, b := range s.bindings {
			held := b.held()
			if held == nil || len(held.reads.Hidden) == 0 || every == 0 || now.Sub(held.checked) < every {
				continue
			}
			due, held.checked = true, now
			s.rows[b.Binding] = &firstRows{due: true, reason: protocol.SnapshotAccess, kept: b.rows(), last: b.rows().last}
		}
		if due {
			d.waiting.leave(s, at)
		}
	})
}

// isNothingNew reports whether the snapshot was only to show whether views have the rows
// that they should have, and they do: these go on where they are.
func (r *rowsSending) isNothingNew(ctx context.Context, taken *live.Snapshot) (same bool) {
	var had changelog.Standing
	areKept := false
	r.with(func(s *Subscription) {
		had = s.progress.rows
		areKept = !slices.ContainsFunc(r.rows, func(rows *firstRows) bool { return rows.kept == nil })
	})
	if !areKept {
		return false
	}
	relations := map[uint32]bool{}
	for _, view := range taken.Views {
		relations[view.Relation.OID] = true
	}
	f := r.catchup.fanout
	if _, err := f.policy.Confirm(ctx, time.Now()); err != nil || had.History != taken.From.History || taken.From.Position.Compare(had.Position) < 0 {
		return false
	}
	if changes, ok := f.asker.changesSince(ctx, had.Position, relations); !ok || len(changes) > 0 {
		return false // what the views have and the snapshot are of different moments
	}
	r.with(func(s *Subscription) {
		if same = r.isCurrent(s) && r.hasSame(taken); !same {
			return
		}
		for i, of := range r.bindings {
			s.rows[of] = r.rows[i].kept
		}
		r.catchup.delivery.matcher.attached.views.isStale = true
		r.catchup.from = had
		r.catchup.delivery.standings.restart(had)
	})
	return same
}

// hasSame reports whether views have the very rows of a snapshot.
func (r *rowsSending) hasSame(taken *live.Snapshot) bool {
	for i := range r.bindings {
		held := r.rows[i].kept.held
		_, keys, ok := taken.Rows(i, 0, math.MaxInt)
		if !ok || len(keys) != held.keys.Len() || slices.ContainsFunc(keys, func(k live.Key) bool { return !held.keys.Has(k) }) {
			return false
		}
	}
	return true
}
