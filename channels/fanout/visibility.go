package fanout

import (
	"walcast/policy"
	"walcast/replication/wal"
)

// showsOld reports whether the subject may have the whole old row: it may if no
// row-level security applies, and if its policies are compiled and hold for the
// old row too. Otherwise it gets the key.
func showsOld(p *policy.Policy, b *binding, c *wal.Change) bool {
	if c.Old == nil || !b.view.RowSecurity {
		return true
	}
	return p.Verdict(b.view, b.subject) == policy.Compiled && p.SeesOld(c, b.subject)
}

// changedSince reports whether other rules than those of a view apply to a
// subject by now, and where the WAL was when they were read.
func changedSince(p *policy.Policy, view *policy.View, s *policy.Subject) (since wal.LSN, changed bool) {
	now, ok := p.Known(view.Relation, s)
	switch {
	case !ok || now == nil:
		return 0, true
	case isSameView(now, view):
		return 0, false
	}
	return now.Since, true
}
