package channels

import (
	"context"
	"errors"
	"time"

	"walcast/auth"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// refresh acts on access_token: a new token for this channel, which replaces
// claims and subject. It is never answered; a bad token ends the channel
// (wire reference 3.8).
func (c *channel) refresh(ctx context.Context, m protocol.Message) {
	token, ok := protocol.AccessToken(m.Payload)
	if !ok || token == c.token {
		return
	}
	claims, err := c.session.hub.verifier.Verify(token, now())
	if err != nil {
		c.fail(tokenText(err), true)
		return
	}
	c.renew(ctx, token, claims)
}

// renew takes over a verified token.
func (c *channel) renew(ctx context.Context, token string, claims *auth.Claims) {
	h := c.session.hub
	subject := h.policy.Subject(claims.Role, string(claims.Raw))
	if refused := c.rereads(ctx, subject); refused != "" {
		h.policy.Release(subject)
		c.fail(refused, true)
		return
	}
	c.mu.Lock()
	if c.ended.Load() { // its end released the subject it had
		c.mu.Unlock()
		h.policy.Release(subject)
		return
	}
	old := c.subject
	c.token, c.subject, c.expires = token, subject, claims.Expires
	c.mu.Unlock()
	h.clients.renames(c, claims.Role, claims.Subject)
	h.expiry.watch(c, h.nextCheck(claims.Expires))
	if subject != old && len(c.bindings) > 0 {
		c.rearm(subject)
		h.arming.check(c)
	}
	h.policy.Release(old)
}

// rearm files the channel's bindings under another subject, at the very place
// in the log where they are: nothing is lost or repeated. What was matched but
// not sent yet was decided for the subject before. Bindings that were refused
// to the subject before get another chance, live from now.
func (c *channel) rearm(subject *policy.Subject) {
	if c.refile(subject) {
		return
	}
	for i, b := range c.bindings {
		c.bindings[i] = b.as(subject)
	}
	c.shard.direct.attach(c, func(wal.Position) {})
}

// refile is rearm for bindings that are matched somewhere; false if they are
// not.
func (c *channel) refile(subject *policy.Subject) bool {
	place := c.lockPlace()
	if place == nil {
		return false
	}
	defer place.mu.Unlock()
	for i, b := range c.bindings {
		place.unfile(b)
		c.bindings[i] = b.as(subject)
		place.file(c.bindings[i])
	}
	return true
}

// as copies a binding for another subject. It is a copy because what was
// matched keeps the subject it was matched for.
func (b *binding) as(subject *policy.Subject) *binding {
	next := *b
	next.subject, next.view, next.columns = subject, nil, nil
	return &next
}

// recheck verifies the channel's token when its time has come: at its expiry,
// and now and then before, as keys are rotated.
func (c *channel) recheck() {
	h := c.session.hub
	c.mu.Lock()
	token := c.token
	c.mu.Unlock()
	claims, err := h.verifier.Verify(token, now())
	if err != nil {
		// phx_error, so that clients join again with the token they have by
		// then (decision 30).
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
