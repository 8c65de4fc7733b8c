package fanout

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"walcast/channels/live"
	"walcast/diagnose"
	"walcast/filters"
	"walcast/protocol"
	"walcast/replication/wal"
)

// A row that enters a view by an UPDATE may lack values: what is stored out of line (TOAST)
// and did not change is not in the WAL. The row is then read as the subject, and the change
// waits in the queue of its subscription meanwhile. If it turns out that what was read may
// be of another version, the view is taken anew.

// wholeRow is the question for the whole row of a change, and its answer.
type wholeRow struct {
	isDone atomic.Bool
	change *wal.Change // with all values, once isDone is set; nil if they were not to be had
}

const (
	wholeWait  = 5 * time.Second // how long it is waited for a snapshot that sees the change
	wholeRetry = 20 * time.Millisecond
)

// completes reports whether a match, of the first step of a queue, has all values that it
// needs, after it has asked for them. If they are not to be had the match becomes doubtful.
func (w *waiting) completes(m *match) bool {
	if m.whole == nil {
		if !m.lacksValues() {
			return true
		}
		m.whole = &wholeRow{}
		whole, b, c := m.whole, m.binding, m.change
		w.fanout.tasks.start(func(ctx context.Context) {
			whole.change = w.fanout.asker.readWhole(ctx, b, c)
			whole.isDone.Store(true)
			if at := b.subscription.attachedTo.Load(); at != nil {
				at.wake([]*Subscription{b.subscription})
			}
		})
	}
	if !m.whole.isDone.Load() {
		return false
	}
	if m.whole.change == nil {
		m.way, m.reason = doubtful, protocol.SnapshotResync
	}
	return true
}

// readWhole reads the row of a change as the subject of a binding. It is nil if the row
// cannot be had as it was after the change.
func (a *asker) readWhole(ctx context.Context, b *binding, c *wal.Change) *wal.Change {
	taken := a.takeRow(ctx, b, c)
	if taken == nil || len(taken.Row) != len(c.New) || !hasColumnsOf(c.Relation, taken.Views[0].Relation) {
		return nil
	}
	if _, err := a.fanout.policy.Confirm(ctx, time.Now()); err != nil {
		return nil
	}
	changes, ok := a.changesSince(ctx, c.Position, map[uint32]bool{c.Relation.OID: true})
	if !ok || isTouched(c, changes, newRowKeys(a.fanout.config.Keys)) {
		return nil
	}
	whole := *c
	whole.New = slices.Clone(c.New)
	for i := range whole.New {
		if whole.New[i].Kind == wal.Absent {
			whole.New[i] = taken.Row[i]
		}
	}
	return &whole
}

// takeRow takes a snapshot of the one row that sees the change; nil if there is none.
func (a *asker) takeRow(ctx context.Context, b *binding, c *wal.Change) *live.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, wholeWait)
	defer cancel()
	var row filters.Filter
	for _, i := range live.KeyColumns(c.Relation) {
		row = append(row, filters.Condition{Column: c.Relation.Columns[i].Name, Op: filters.Eq, Value: c.New[i].Text})
	}
	for {
		asked := a.fanout.config.Snapshots.Ask(live.SnapshotRequest{Subject: b.subject, Bindings: []*diagnose.Binding{b.Binding}, Fresh: true, Row: row})
		select {
		case <-asked.Done():
		case <-ctx.Done():
			asked.Release()
			return nil
		}
		taken, err := asked.Result()
		asked.Release()
		if err != nil || taken.Visible.Sees(c.XID) {
			return taken
		}
		select {
		case <-time.After(wholeRetry):
		case <-ctx.Done():
			return nil
		}
	}
}
