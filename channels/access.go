package channels

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"walcast/auth"
	"walcast/policy"
	"walcast/protocol"
)

// access is who a channel acts as and what it may do on its topic: anything on a
// public one. A token refresh replaces who; both belong to the session's
// goroutine, but others may ask who it is.
type access struct {
	policy     *policy.Policy
	logger     *slog.Logger
	writeCheck time.Duration // how long the permission to write is believed
	topic      policy.Topic
	private    bool

	granted       policy.Grants
	writeDue      time.Time // when writing has to be asked again
	presenceAsked bool      // reading presence is asked at join, or else at the first track

	mu      sync.Mutex // guards what follows
	token   string
	subject *policy.Subject // nil once released
}

// newAccess is the access of a join with verified claims. It must be released.
func (s *Session) newAccess(subTopic string, private bool, token string, claims *auth.Claims) *access {
	h := s.hub
	return &access{
		policy: h.policy, logger: h.logger, writeCheck: h.config.WriteCheck,
		topic:   policy.Topic{Name: subTopic, Headers: json.RawMessage(s.identity.Headers)},
		private: private, token: token, subject: h.policy.Subject(claims.Role, string(claims.Raw)),
	}
}

// release forgets who the channel acted as.
func (a *access) release() {
	a.mu.Lock()
	subject := a.subject
	a.subject = nil
	a.mu.Unlock()
	a.policy.Release(subject)
}

// who is the subject at present, nil after release.
func (a *access) who() *policy.Subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.subject
}

// bearer is the token at present.
func (a *access) bearer() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.token
}

// become replaces token and subject and returns the subject before; nil if the
// access was released meanwhile.
func (a *access) become(token string, subject *policy.Subject) (before *policy.Subject) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if before = a.subject; before != nil {
		a.token, a.subject = token, subject
	}
	return before
}

// enter asks at join whether a private topic may be read at all; one of
// broadcast and presence is enough.
func (a *access) enter(ctx context.Context, presence bool) error {
	if !a.private {
		return nil
	}
	granted, err := a.askRead(ctx, a.who(), presence)
	a.granted, a.presenceAsked = granted, presence
	return err
}

// hears reports whether broadcasts of others may be received.
func (a *access) hears() bool { return !a.private || a.granted.ReadBroadcast }

// watches reports whether presence of others may be received.
func (a *access) watches() bool { return !a.private || a.granted.ReadPresence }

// askRead asks what may be received of a private topic. An error is the reason
// of a refusal.
func (a *access) askRead(ctx context.Context, subject *policy.Subject, presence bool) (policy.Grants, error) {
	granted, err := a.policy.MayRead(ctx, subject, a.topic, presence)
	var raised *policy.AskError
	switch {
	case errors.Is(err, policy.ErrNoMessagesTable), errors.Is(err, policy.ErrMissingPartition):
		return granted, err
	case errors.As(err, &raised), errors.Is(err, policy.ErrUnknownRole):
		return policy.Grants{}, a.notReadable()
	case err != nil:
		a.logger.Warn("private channel not checked", "topic", a.topic.Name, "err", err)
		return granted, protocol.RefuseDatabaseAway
	case !granted.ReadBroadcast && !granted.ReadPresence:
		return granted, a.notReadable()
	}
	return granted, nil
}

func (a *access) notReadable() error { return protocol.RefuseRead(a.topic.Name) }

// askWrite asks what may be sent, unless it was asked a moment ago.
func (a *access) askWrite(ctx context.Context) error {
	if now().Before(a.writeDue) {
		return nil
	}
	granted, err := a.policy.MayWrite(ctx, a.who(), a.topic)
	if err != nil {
		a.logger.Warn("write permission not checked", "topic", a.topic.Name, "err", err)
		return err
	}
	a.granted.WriteBroadcast, a.granted.WritePresence = granted.WriteBroadcast, granted.WritePresence
	a.writeDue = now().Add(a.writeCheck)
	return nil
}

// mayBroadcast says why nothing may be broadcast, nil if it may.
func (a *access) mayBroadcast(ctx context.Context) error {
	if !a.private {
		return nil
	}
	err := a.askWrite(ctx)
	var raised *policy.AskError
	switch {
	case err == nil && a.granted.WriteBroadcast:
		return nil
	case err == nil, errors.As(err, &raised), errors.Is(err, policy.ErrUnknownRole):
		return protocol.RefuseWrite(a.topic.Name)
	case errors.Is(err, policy.ErrNoMessagesTable):
		return policy.ErrNoMessagesTable
	case errors.Is(err, policy.ErrMissingPartition):
		return protocol.RefuseMissingPartition
	}
	return protocol.RefuseDatabaseAway
}

// mayTrack reports whether presence may be tracked. With the first track it is
// asked whether that of others may be received, if the join did not.
func (a *access) mayTrack(ctx context.Context) bool {
	if !a.private {
		return true
	}
	if a.askWrite(ctx) != nil || !a.granted.WritePresence {
		return false
	}
	if !a.granted.ReadPresence && !a.presenceAsked {
		if granted, err := a.askRead(ctx, a.who(), true); err == nil {
			a.granted.ReadPresence = granted.ReadPresence
			a.presenceAsked = true
		}
	}
	return true
}

// reread asks again what a new subject may receive. A text says that it is less
// than before, which ends the channel.
func (a *access) reread(ctx context.Context, subject *policy.Subject) (refused string) {
	if !a.private {
		return ""
	}
	granted, err := a.askRead(ctx, subject, a.granted.ReadPresence || a.presenceAsked)
	if err != nil {
		return refusalText(err)
	}
	if a.granted.ReadBroadcast && !granted.ReadBroadcast || a.granted.ReadPresence && !granted.ReadPresence {
		return protocol.MessageNoLongerReadable(a.topic.Name)
	}
	a.granted, a.writeDue = granted, time.Time{}
	return ""
}

// refusalText is what a system message says of a refusal.
func refusalText(err error) string {
	var refusal protocol.Refusal
	if errors.As(err, &refusal) {
		return refusal.Text
	}
	return err.Error()
}
