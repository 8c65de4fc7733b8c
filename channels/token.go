package channels

import (
	"context"
	"errors"
	"time"

	"walcast/auth"
	"walcast/protocol"
)

// refresh acts on access_token: a new token for this channel, which replaces
// claims and subject. It is never answered; a bad token ends the channel.
func (c *channel) refresh(ctx context.Context, m protocol.Message) {
	token, ok := protocol.AccessToken(m.Payload)
	if !ok || token == c.access.bearer() {
		return
	}
	claims, err := c.session.hub.verifier.Verify(token, now())
	if err != nil {
		c.fail(tokenText(err), true)
		return
	}
	if !c.session.hub.policy.HasRoom(claims.Role, string(claims.Raw)) {
		c.fail(protocol.RefuseTooManySubjects.Text, false)
		return
	}
	c.renew(ctx, token, claims)
}

// renew takes over a verified token. Bindings go on under the new subject at the
// very place in the log where they are; those that were refused to the subject
// before get another chance, live from now.
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
	if before == nil { // it ended meanwhile
		h.policy.Release(subject)
		return
	}
	c.bookmark.Rename(claims.Role, claims.Subject)
	if c.access.private {
		c.allow(subject, began, granted, true)
	}
	h.expiry.watch(c, h.nextCheck(claims.Expires))
	if subject != before && c.rows.HasBindings() {
		c.rows.Refile(subject)
		h.arming.check(c)
	}
	h.policy.Release(before)
}

// refuse ends the channel that may read less by its new token, or of which that
// cannot be known.
func (c *channel) refuse(why error) {
	if errors.Is(why, protocol.RefuseDatabaseAway) {
		c.fail(refusalText(why), true)
		return
	}
	c.revoke(refusalText(why), true)
}

// recheck verifies the channel's token when its time has come: at its expiry,
// and now and then before, as keys are rotated.
func (c *channel) recheck() {
	h := c.session.hub
	claims, err := h.verifier.Verify(c.access.bearer(), now())
	if err != nil {
		// phx_error, so that clients join again with the token they have by then.
		c.fail(tokenText(err), false)
		return
	}
	h.expiry.watch(c, h.nextCheck(claims.Expires))
}

// nextCheck is when a token that is good now is looked at again.
func (h *Hub) nextCheck(expires time.Time) time.Time {
	next := now().Add(h.config.TokenCheck)
	if expires.Before(next) {
		return expires
	}
	return next
}

func tokenText(err error) string {
	var refused *auth.Error
	if errors.As(err, &refused) {
		return refused.Text
	}
	return err.Error()
}
