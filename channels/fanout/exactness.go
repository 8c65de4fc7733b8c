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
			if len(q.view.Reads.Relations) == 0 && !inquiries[i].ByKey[k] || !q.isOfView() {
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
	keys := newRowKeys(a.fanout.config.Keys)
	for _, p := range r.parts {
		for _, q := range p.questions {
			q.isStale = q.isStale && (!ok || isTouched(q.change, changes, keys))
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

// rowKeys are the keys of changes, each found once: a round may have many questions, and
// many changes may have come since.
type rowKeys struct {
	keys  *live.Keys
	known map[*wal.Change]*changeKeys
}

func newRowKeys(keys *live.Keys) rowKeys {
	return rowKeys{keys: keys, known: map[*wal.Change]*changeKeys{}}
}

func (r rowKeys) of(c *wal.Change) *changeKeys {
	if r.known[c] == nil {
		r.known[c] = keysOf(r.keys, c)
	}
	return r.known[c]
}

// isTouched reports whether one of the later changes comes after a change and is of a table
// that the policies read, or of the very row.
func isTouched(change *wal.Change, later []*wal.Change, keys rowKeys) bool {
	for _, c := range later {
		if c.Position.Compare(change.Position) <= 0 {
			continue
		}
		if c.Relation.OID != change.Relation.OID || c.Operation == wal.Truncate {
			return true // a table of another question asks for one snapshot too many
		}
		own, k := keys.of(change), keys.of(c)
		if !own.areKnown || !k.areKnown || k.old == own.new || k.new == own.new {
			return true
		}
	}
	return false
}
