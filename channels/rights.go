package channels

import (
	"context"
	"errors"
	"time"

	"walcast/auth"
	"walcast/policy"
	"walcast/protocol"
)

// refresh acts on access_token: a new token for this channel, which replaces
// claims and subject. It is never answered; a token that is not valid ends the
// channel.
func (c *channel) refresh(ctx context.Context, m protocol.Message) {
	token, ok := protocol.AccessToken(m.Payload)
	if !ok || token == c.access.bearer() {
		return
	}
	claims, err := c.session.hub.expiry.verify(token)
	if err != nil {
		c.fail(tokenText(err), true)
		return
	}
	if !c.session.hub.policy.HasRoom(claims.Role, string(claims.Raw)) {
		c.fail(protocol.RefuseTooManySubjects.Text, false)
		return
	}
	if err := c.reserveToken(len(token)); err != nil {
		c.fail(protocol.RefusalOf(err).Text, false)
		return
	}
	c.renew(ctx, token, claims)
}

// renew takes over a verified token. Bindings go on under the new subject at
// the very position in the log where they are. Bindings that were refused to
// the subject before are tried again, live from now on.
func (c *channel) renew(ctx context.Context, token string, claims *auth.Claims) {
	h := c.session.hub
	began, subject := now(), h.policy.Subject(claims.Role, string(claims.Raw))
	granted, refused := c.access.reread(ctx, subject)
	if refused != nil {
		h.policy.Release(subject)
		c.refuse(refused)
		return
	}
	before := c.access.become(token, claims.Subject, subject)
	if before == nil { // the channel has ended meanwhile
		h.policy.Release(subject)
		return
	}
	c.bookmark.Rename(claims.Role, claims.Subject)
	if c.access.private {
		c.allow(subject, began, granted, true)
	}
	h.expiry.watch(c, claims.Expires)
	if subject != before && c.rows.HasBindings() {
		c.rows.ActAs(subject)
		h.arming.check(c)
	}
	h.policy.Release(before)
}

// refuse ends a channel that may read less with its new token, or of which that
// cannot be known.
func (c *channel) refuse(why error) {
	if errors.Is(why, protocol.RefuseDatabaseAway) {
		c.fail(protocol.RefusalOf(why).Text, true)
		return
	}
	c.revoke(protocol.RefusalOf(why).Text, true)
}

// acts reports whether the channel acts as a subject.
func (c *channel) acts(s *policy.Subject) bool { return c.access.acting() == s }

// allow has an answer about what the channel may read take effect. If it may
// read nothing any more it ends. presence says that the answer is about presence
// too.
func (c *channel) allow(s *policy.Subject, began time.Time, granted policy.Grants, presence bool) {
	presence = presence && c.access.known().presenceAsked
	if c.access.takeAnswer(s, began, granted, presence) && !c.reception.update(c) {
		c.revoke(protocol.MessageNoLongerReadable(c.access.topic.Name), true)
	}
}

// revoke ends a channel that may not read its topic any more, or of which that
// cannot be known. final tells the client to stay away, and it is a new client
// if it comes back all the same; otherwise it comes back by itself and is told
// to resync, as what is sent meanwhile is not for it.
func (c *channel) revoke(message string, final bool) {
	if final {
		c.bookmark.Forget()
	} else {
		c.bookmark.Bar()
	}
	c.fail(message, final)
}
