package fanout

import (
	"slices"
	"time"

	"walcast/channels/live"
	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// A view is a binding whose rows are those for which its filter and visibility hold. A
// change is for it what happens to these rows: whether the row was among them before is
// told by its key, whether it is now by the new row. Each UPDATE, DELETE and TRUNCATE of
// the table is a match of each of its views, as a row may leave by any of them. What the
// change is to the view is decided when it is sent, and no earlier: until then changes
// before it may still have to be decided.

// viewRows are the rows of a view, as far as the server knows them. It is guarded by the
// lock of the subscription's delivery.
type viewRows struct {
	keys     *live.KeySet
	view     *policy.View // what the subject could see of the table when the rows were read
	reads    live.Reads   // what decides which rows there are, beside themselves
	checked  time.Time    // when it was last seen that they are what Postgres says
	isDenied bool         // the subject may have no row of the table

	// expected are keys of rows that may be among them once what was matched in the last
	// round is sent.
	expected map[live.Key]struct{}
	round    uint64
	columns  *wal.Relation // a state of the table that was found to have the columns of view's

	live *liveView // while others may go on with them; nil if nobody may
	gone *goneView // what they were, until they are in use; nil else
}

// drop forgets them. Nothing is to be dropped of nil.
func (h *viewRows) drop() {
	if h == nil {
		return
	}
	if h.keys.Drop(); h.live != nil {
		h.live.end()
		h.live = nil
	}
}

// changeKeys are the keys of a change's row, which its matches share.
type changeKeys struct {
	old, new live.Key
	areKnown bool // as far as the operation has them
	isPartly bool // the new row lacks values
}

// keysOf returns the keys of a change.
func keysOf(keys *live.Keys, c *wal.Change) *changeKeys {
	columns := live.KeyColumns(c.Relation)
	k := &changeKeys{areKnown: true}
	if c.Operation == wal.Update || c.Operation == wal.Delete {
		k.old, k.areKnown = keys.Of(c.Old, columns)
	}
	if c.Operation == wal.Insert || c.Operation == wal.Update {
		ok := false
		k.new, ok = keys.Of(c.New, columns)
		k.areKnown = k.areKnown && ok
	}
	k.isPartly = slices.ContainsFunc(c.New, func(v wal.Value) bool { return v.Kind == wal.Absent })
	return k
}

// expect notes that a row may be among the rows once what is matched is sent. What was
// matched before this round has been sent, unless something of the subscription waits.
func (h *viewRows) expect(key live.Key, round uint64, waits bool) {
	if h.round != round && !waits {
		h.round = round
		clear(h.expected)
	}
	if h.expected == nil {
		h.expected = map[live.Key]struct{}{}
	}
	h.expected[key] = struct{}{}
}

// mayHave reports whether the row of a change that is being matched may be among the rows
// before it.
func (h *viewRows) mayHave(key live.Key) bool {
	_, isExpected := h.expected[key]
	return isExpected || h.keys.Has(key)
}

// hasColumns reports whether the rows have the columns of a state of their table.
func (h *viewRows) hasColumns(rel *wal.Relation) bool {
	if h.columns != rel {
		if !hasColumnsOf(rel, h.view.Relation) {
			return false
		}
		h.columns = rel
	}
	return true
}

// had reports whether the row of a change was among the rows before it. One that is
// inserted was not.
func (h *viewRows) had(k *changeKeys, op wal.Operation) bool {
	return op != wal.Insert && h.keys.Has(k.old)
}

// take takes in a change, after which the row is among the rows or not. as is what it is
// to the view, 0 for nothing. It is not ok if there is no room for one more key.
func (h *viewRows) take(k *changeKeys, c *wal.Change, holds bool) (as wal.Operation, ok bool) {
	had := h.had(k, c.Operation)
	if had && (!holds || k.old != k.new) {
		h.keys.Remove(k.old, c.Position)
	}
	switch {
	case holds && !h.keys.Add(k.new, c.Position):
		return 0, false
	case had && holds:
		return wal.Update, true
	case holds:
		return wal.Insert, true
	case had:
		return wal.Delete, true
	}
	return 0, true
}

// isView reports whether the binding is a view.
func (b *binding) isView() bool { return b.Spec.View && b.rows() != nil }

// held are the rows of a view that its client has; nil while they are due, and for
// bindings that are no views.
func (b *binding) held() *viewRows {
	if !b.Spec.View {
		return nil
	}
	if r := b.rows(); r != nil && !r.due {
		return r.held
	}
	return nil
}

// doubt is why what a change is to a view cannot be told, so that its rows are taken
// anew; "" if it can. The match has its way.
func (m *match) doubt(p *policy.Policy) protocol.SnapshotReason {
	held := m.binding.held()
	switch {
	case held == nil || m.way == unread || m.way == outdated:
		return ""
	case m.change.Operation == wal.Truncate:
		return protocol.SnapshotTruncate
	case !held.hasColumns(m.change.Relation):
		return protocol.SnapshotSchema
	case held.isDenied && m.view != nil && m.view.Rules == held.view.Rules:
		m.way = hidden
		return ""
	case m.way == hidden || m.view.Denied: // nothing of the row was looked at, or is shown
		return protocol.SnapshotAccess
	case !held.isBy(m.view): // one of them is not the newest
		return protocol.SnapshotAccess
	case !m.keys.areKnown || m.change.Operation == wal.Update && m.lacksFiltered():
		return protocol.SnapshotResync
	}
	return ""
}

// hasColumnsOf reports whether rows of two states of a table have the same columns and
// are told apart by the same.
func hasColumnsOf(a, b *wal.Relation) bool {
	return a == b || a.OID == b.OID && slices.EqualFunc(a.Columns, b.Columns, func(c, d wal.Column) bool {
		return c.Name == d.Name && c.Type.OID == d.Type.OID && c.Modifier == d.Modifier && c.Key == d.Key
	}) && slices.Equal(live.KeyColumns(a), live.KeyColumns(b))
}

// lacksFiltered reports whether the new row lacks a value that the filter reads, which
// the WAL does not have as it did not change.
func (m *match) lacksFiltered() bool {
	if len(m.binding.Filter) == 0 || !m.keys.isPartly {
		return false
	}
	return slices.ContainsFunc(filters.Columns(m.change.Relation, m.binding.Filter), func(i int) bool { return isAbsent(m.change.New, i) })
}

// lacksValues reports whether the row of a decided match enters a view and lacks values
// that are shown. All changes before must have been sent.
func (m *match) lacksValues() bool {
	held := m.binding.held()
	if held == nil || m.way == doubtful || !m.isIn() || m.change.Operation != wal.Update || m.change.Cut || held.had(m.keys, wal.Update) {
		return false
	}
	shown := m.binding.see(m.view, m.table).mask
	for i := range m.change.New {
		if shown[i] && isAbsent(m.change.New, i) {
			return true
		}
	}
	return false
}

// isOutdated reports whether other rules than those that the rows were read by are known
// to apply to their subject by now.
func (h *viewRows) isOutdated(p *policy.Policy, s *policy.Subject) bool {
	return isOutdated(p, h.view, s)
}

// isBy reports whether the rows were read by the rules of a view.
func (h *viewRows) isBy(view *policy.View) bool { return view != nil && view.Rules == h.view.Rules }

// isCurrent reports whether the rules that the rows were read by are known to apply to their
// subject still.
func (h *viewRows) isCurrent(p *policy.Policy, s *policy.Subject) bool {
	_, known := p.Known(h.view.Relation, s)
	return known && !h.isOutdated(p, s)
}

func isOutdated(p *policy.Policy, view *policy.View, s *policy.Subject) bool {
	now, ok := p.Known(view.Relation, s)
	switch {
	case !ok:
		return false // it is being read: who asks comes again
	case now == nil || now.Rules != view.Rules:
		return true
	}
	return now.Depends != view.Depends && p.Verdict(now, s) == policy.Ask
}

// seesTheSame reports whether another subject sees the same rows of a view.
func (h *viewRows) seesTheSame(p *policy.Policy, before, next *policy.Subject) bool {
	switch {
	case before.Role != next.Role:
		return false
	case !h.view.RowSecurity:
		return !h.isOutdated(p, next)
	case h.isOutdated(p, next) || p.Verdict(h.view, before) != policy.Compiled || p.Verdict(h.view, next) != policy.Compiled:
		return false
	}
	return conditionOf(p, h.view, before) == conditionOf(p, h.view, next)
}

// conditionOf is a text that is equal for equal conditions under which a subject sees
// the rows of a table.
func conditionOf(p *policy.Policy, view *policy.View, s *policy.Subject) string {
	if where := p.Guard(s).Where(view.Relation, wal.Insert); where != nil {
		return where.Key()
	}
	return ""
}
