package fanout

import (
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// progress is how far a subscription has come: what it has had, or is never to
// get.
type progress struct {
	rows     changelog.Standing // it gets rows after this; the history is zero while it is unknown
	since    time.Time          // no rows that committed before; zero unless the log had not begun when it started
	messages changelog.Standing // it gets messages from SQL after this
	withOld  bool               // also those that were committed before the log's history began
}

// wantsRow reports whether a row is still to be sent.
func (p *progress) wantsRow(c *wal.Change) bool {
	return c.Position.Compare(p.rows.Position) > 0 && !c.CommitTime.Before(p.since)
}

// takesMessage reports whether a message from SQL, which is sent now, is for
// the subscription.
func (p *progress) takesMessage(m *message) bool {
	if m.change.Position.Compare(p.messages.Position) <= 0 || m.isOld && !p.withOld {
		return false
	}
	// Whatever is called old from here on happened while the subscription was
	// there.
	p.withOld = true
	return true
}

// startLive has messages from SQL begin after a standing. The standing has no
// history as long as the lane has not taken up the log's; then old messages are not
// sent.
func (p *progress) startLive(at changelog.Standing) {
	p.messages, p.withOld = at, at.History != (changelog.History{})
}

// moveTo notes that everything up to a standing has been sent, or is never to
// be.
func (p *progress) moveTo(at changelog.Standing) { p.rows, p.messages = at, at }

// advance is moveTo, but it never goes back.
func (p *progress) advance(at changelog.Standing) {
	for _, of := range []*changelog.Standing{&p.rows, &p.messages} {
		if of.History != at.History || of.Position.Compare(at.Position) < 0 {
			*of = at
		}
	}
}

// begins reports whether nothing at or before a standing is to be sent any
// more, in the standing's history.
func (p *progress) begins(at changelog.Standing) bool {
	return p.rows.History == at.History && p.rows.Position.Compare(at.Position) >= 0
}
