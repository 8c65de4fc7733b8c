package channels

import (
	"time"

	"walcast/policy"
	"walcast/protocol"
)

// acts reports whether the channel acts as a subject.
func (c *channel) acts(s *policy.Subject) bool { return c.access.who() == s }

// allow has an answer take effect: the channel gets of its private topic what its
// subject may read, something of it, and nothing that is sent while it may not.
// presence says that the answer is about it too.
func (c *channel) allow(s *policy.Subject, began time.Time, granted policy.Grants, presence bool) {
	c.access.turn.Lock()
	defer c.access.turn.Unlock()
	before := c.access.known()
	if !c.access.settle(s, began, granted, presence && before.presenceAsked) {
		return
	}
	after := c.access.known()
	if !after.ReadBroadcast && !after.ReadPresence {
		c.revoke(protocol.MessageNoLongerReadable(c.access.topic.Name), true)
		return
	}
	switch {
	case before.ReadBroadcast && !after.ReadBroadcast:
		c.member.Listen(false)
		c.bookmark.Bar()
	case !before.ReadBroadcast && after.ReadBroadcast:
		c.bookmark.Admit()
		c.member.Listen(!c.access.deaf)
	}
	if after.ReadBroadcast {
		c.bookmark.Allowed(began)
	}
	if before.ReadPresence != after.ReadPresence {
		c.present.Watches(after.ReadPresence)
	}
}

// revoke ends a channel that may not read its topic any more, or of which that
// cannot be known. What is sent from then on is not for it. If that is final its
// client is new when it comes back; one that comes back by itself has to resync.
func (c *channel) revoke(message string, final bool) {
	if final {
		c.bookmark.Forget()
	} else {
		c.bookmark.Bar()
	}
	c.fail(message, final)
}
