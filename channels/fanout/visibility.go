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

// relevance is whether the rules by which a change was matched may judge it.
type relevance uint8

const (
	current relevance = iota // they still apply to it
	younger                  // others apply by now, to the change too
	older                    // others apply by now, or the same again, and the change is older
)

// changedSince says how a change stands to the rules of a view, by which it was matched
// for a subject.
func changedSince(p *policy.Policy, view *policy.View, s *policy.Subject, c *wal.Change) relevance {
	now, ok := p.Known(view.Relation, s)
	switch {
	case !ok || now == nil || !now.Judges(c):
		return older
	case isSameView(now, view):
		return current
	}
	return younger
}
