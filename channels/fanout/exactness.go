package fanout

import (
	"context"
	"time"

	"walcast/channels/live"
	"walcast/policy"
	"walcast/replication/wal"
)

// Postgres judges a row by what policies read at that moment, which is later than the
// change. A view is to have the rows of one moment, so the answer counts for it only if
// nothing that it depends on was changed in between, which the log tells.

// exactWait is how long it is waited for the log to have what an answer may have seen.
const exactWait = 5 * time.Second

// noteStale marks the answers of a round that may be of a later moment than their change,
// among those that views wait for.
func (a *asker) noteStale(ctx context.Context, r *round, inquiries []*policy.Inquiry) {
	var since wal.Position
	relations := map[uint32]bool{}
	for i, p := range r.parts {
		for k, q := range p.questions {
			if !q.isOfView() || len(q.view.Reads.Relations) == 0 && !inquiries[i].ByKey[k] {
				continue
			}
			q.isStale = true // until it is known better
			if since.IsZero() || q.change.Position.Compare(since) < 0 {
				since = q.change.Position
			}
			if inquiries[i].ByKey[k] {
				relations[q.change.Relation.OID] = true
			}
			for _, oid := range q.view.Reads.Relations {
				relations[oid] = true
			}
		}
	}
	if len(relations) == 0 {
		return
	}
	changes, ok := a.changesSince(ctx, since, relations)
	for _, p := range r.parts {
		for _, q := range p.questions {
			q.isStale = q.isStale && (!ok || q.isTouchedBy(changes, a.fanout.config.Keys))
		}
	}
}

// changesSince waits until the log has all that Postgres may have seen when it answered,
// and returns the changes of some tables since a position. It is not ok if that takes too
// long, or some have left the log.
func (a *asker) changesSince(ctx context.Context, since wal.Position, relations map[uint32]bool) (changes []*wal.Change, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, exactWait)
	defer cancel()
	seen := a.fanout.policy.Flushed()
	for pause := time.Millisecond; a.fanout.log.End().Position.Compare(wal.Before(seen)) < 0; pause = min(2*pause, 20*time.Millisecond) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, false
		}
	}
	return a.fanout.log.Since(since, seen, relations)
}

// isOfView reports whether a view waits for the answer.
func (q *question) isOfView() bool {
	for _, b := range q.bindings {
		if b.Spec.View {
			return true
		}
	}
	return false
}

// isTouchedBy reports whether one of the changes comes after the question's own and is of
// a table that the policies read, or of the very row.
func (q *question) isTouchedBy(changes []*wal.Change, keys *live.Keys) bool {
	own := keysOf(keys, q.change)
	for _, c := range changes {
		if c.Position.Compare(q.change.Position) <= 0 {
			continue
		}
		if c.Relation.OID != q.change.Relation.OID {
			return true // a table of another question asks for one snapshot too many
		}
		if k := keysOf(keys, c); c.Operation == wal.Truncate || !own.areKnown || !k.areKnown || k.old == own.new || k.new == own.new {
			return true
		}
	}
	return false
}
