package fanout

import (
	"walcast/policy"
	"walcast/replication/wal"
)

// showsOld says whether the subject may have the whole old row: it may where no
// row-level security applies, and where its policies are compiled and hold for
// the old row too. Otherwise it gets the key.
func (f *Fanout) showsOld(b *binding, c *wal.Change) bool {
	if c.Old == nil || !b.view.RowSecurity {
		return true
	}
	return f.policy.Verdict(b.view, b.subject) == policy.Compiled && f.policy.SeesOld(c, b.subject)
}
