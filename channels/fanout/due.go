package fanout

import (
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// due is what a subscription has still to get.
type due struct {
	rows     changelog.Standing // rows after it; its history is zero where it is unknown
	since    time.Time          // but none that committed before; zero unless rows was unknown
	messages changelog.Standing // messages from SQL after it
	old      bool               // with those that were committed while the log was not followed
}

// wantsRow reports whether a row is still to come. It is not if the subscription
// moved on or had it before.
func (d *due) wantsRow(c *wal.Change) bool {
	return c.Position.Compare(d.rows.Position) > 0 && !c.CommitTime.Before(d.since)
}

// takesMessage is wantsRow for a message from SQL that is sent now.
func (d *due) takesMessage(m *message) bool {
	if m.change.Position.Compare(d.messages.Position) <= 0 || m.isOld && !d.old {
		return false
	}
	d.old = true // whatever is called old from here on happened while it was here
	return true
}

// startLive has messages from SQL begin after a standing, which is without a
// history while it is not known yet which messages are old.
func (d *due) startLive(at changelog.Standing) {
	d.messages, d.old = at, at.History != (changelog.History{})
}

// moveTo notes that everything up to a standing has been delivered, or is never
// to come.
func (d *due) moveTo(at changelog.Standing) { d.rows, d.messages = at, at }

// advance is moveTo, but never back: what is due may begin later.
func (d *due) advance(at changelog.Standing) {
	for _, of := range []*changelog.Standing{&d.rows, &d.messages} {
		if of.History != at.History || of.Position.Compare(at.Position) < 0 {
			*of = at
		}
	}
}

// begins reports whether what is due begins at a standing or later, in the same
// history.
func (d *due) begins(at changelog.Standing) bool {
	return d.rows.History == at.History && d.rows.Position.Compare(at.Position) >= 0
}
