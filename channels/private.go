package channels

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"walcast/policy"
	"walcast/protocol"
)

// permissions is what a private channel's subject may do on its topic; public
// channels may do everything. It belongs to the session's goroutine.
type permissions struct {
	private  bool
	granted  policy.Grants
	writeDue time.Time // when writing has to be asked again

	readPresenceAsked bool // at join, or at the first track
}

// authorize checks at join whether a private channel may be read at all; one of
// broadcast and presence is enough.
func (c *channel) authorize(ctx context.Context, subTopic string, join *protocol.Join) error {
	if !join.Private {
		return nil
	}
	granted, err := c.mayRead(ctx, c.subject, subTopic, join.PresenceEnabled)
	if err != nil {
		return err
	}
	c.may = permissions{private: true, granted: granted, readPresenceAsked: join.PresenceEnabled}
	c.deaf = !granted.ReadBroadcast
	c.member.watches = join.PresenceEnabled && granted.ReadPresence
	return nil
}

// mayRead asks what a private channel may receive (wire reference 8). An error
// is the reason of a refusal.
func (c *channel) mayRead(ctx context.Context, subject *policy.Subject, subTopic string, presence bool) (policy.Grants, error) {
	topic := policy.Topic{Name: subTopic, Headers: json.RawMessage(c.session.identity.Headers)}
	granted, err := c.session.hub.policy.MayRead(ctx, subject, topic, presence)
	var raised *policy.AskError
	switch {
	case errors.Is(err, policy.ErrNoMessagesTable), errors.Is(err, policy.ErrMissingPartition):
		return granted, err
	case errors.As(err, &raised), errors.Is(err, policy.ErrUnknownRole):
		return policy.Grants{}, errNotReadable(subTopic)
	case err != nil:
		c.session.hub.logger.Warn("private channel not checked", "topic", subTopic, "err", err)
		return granted, protocol.RefuseDatabaseAway
	case !granted.ReadBroadcast && !granted.ReadPresence:
		return granted, errNotReadable(subTopic)
	}
	return granted, nil
}

func errNotReadable(subTopic string) error {
	return protocol.RefuseRead(subTopic)
}

// askWrite makes sure that the write permissions are fresh. An answer is
// believed for a while (decision 35).
func (c *channel) askWrite(ctx context.Context) error {
	if !c.may.private || now().Before(c.may.writeDue) {
		return nil
	}
	topic := policy.Topic{Name: c.topic.key.subTopic(), Headers: json.RawMessage(c.session.identity.Headers)}
	granted, err := c.session.hub.policy.MayWrite(ctx, c.subjectNow(), topic)
	if err != nil {
		c.session.hub.logger.Warn("write permission not checked", "topic", topic.Name, "err", err)
		return err
	}
	c.may.granted.WriteBroadcast, c.may.granted.WritePresence = granted.WriteBroadcast, granted.WritePresence
	c.may.writeDue = now().Add(c.session.hub.config.WriteCheck)
	return nil
}

// mayBroadcast says why the channel may not broadcast, nil if it may.
func (c *channel) mayBroadcast(ctx context.Context) error {
	if !c.may.private {
		return nil
	}
	err := c.askWrite(ctx)
	var raised *policy.AskError
	switch {
	case err == nil && c.may.granted.WriteBroadcast:
		return nil
	case err == nil, errors.As(err, &raised), errors.Is(err, policy.ErrUnknownRole):
		return protocol.RefuseWrite(c.topic.key.subTopic())
	case errors.Is(err, policy.ErrNoMessagesTable):
		return policy.ErrNoMessagesTable
	case errors.Is(err, policy.ErrMissingPartition):
		return protocol.RefuseMissingPartition
	}
	return protocol.RefuseDatabaseAway
}

// mayTrack reports whether the channel may track presence, and settles on the
// first use whether it gets that of others.
func (c *channel) mayTrack(ctx context.Context) bool {
	if !c.may.private {
		return true
	}
	if c.askWrite(ctx) != nil || !c.may.granted.WritePresence {
		return false
	}
	if !c.may.granted.ReadPresence && !c.may.readPresenceAsked {
		if granted, err := c.mayRead(ctx, c.subjectNow(), c.topic.key.subTopic(), true); err == nil {
			c.may.granted.ReadPresence = granted.ReadPresence
			c.may.readPresenceAsked = true
		}
	}
	return true
}

// mayWatch reports whether the channel may get presence.
func (c *channel) mayWatch() bool { return !c.may.private || c.may.granted.ReadPresence }

// rereads evaluates the read policies again for a new subject (wire reference
// 3.8); a non-empty text ends the channel.
func (c *channel) rereads(ctx context.Context, subject *policy.Subject) (refused string) {
	if !c.may.private {
		return ""
	}
	before := c.may.granted
	subTopic := c.topic.key.subTopic()
	granted, err := c.mayRead(ctx, subject, subTopic, before.ReadPresence || c.may.readPresenceAsked)
	if err != nil {
		return refusalText(err)
	}
	if before.ReadBroadcast && !granted.ReadBroadcast || before.ReadPresence && !granted.ReadPresence {
		return protocol.MessageNoLongerReadable(subTopic)
	}
	c.may.granted, c.may.writeDue = granted, time.Time{}
	c.topic.hears(c, granted.ReadBroadcast)
	return ""
}

// hears settles whether the channel gets broadcasts.
func (t *topic) hears(c *channel, hears bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.deaf = !hears
}

// refusalText is what a system message says of a refusal.
func refusalText(err error) string {
	var refusal protocol.Refusal
	if errors.As(err, &refusal) {
		return refusal.Text
	}
	return err.Error()
}

// subjectNow is who the channel acts as at present.
func (c *channel) subjectNow() *policy.Subject {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.subject
}
