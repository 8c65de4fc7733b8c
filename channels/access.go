package channels

import (
	"context"
	"errors"
	"sync"
	"time"

	"walcast/auth"
	"walcast/policy"
	"walcast/protocol"
)

// access is the subject that a channel acts as, and what it may do on its
// topic: anything on a public topic. A new token replaces the subject. On a
// private topic the database is asked what the channel may read: at join, with
// a new token, and again and again by readers. What it may write is asked when
// it writes. How answers take effect is the business of reception.
type access struct {
	hub     *Hub
	account *account
	topic   policy.Topic
	private bool
	deaf    bool    // it is not to get broadcasts
	reader  *reader // of a private topic, once the join is answered; guarded by the lock of readers

	mu      sync.Mutex // guards what follows
	token   string
	sub     string
	subject *policy.Subject // nil once released
	rights  rights
	holds   int // bytes of what the session holds, until it is released
}

// rights are the last answers.
type rights struct {
	policy.Grants
	presenceAsked bool      // whether presence may be read was asked at join, or else at the first track
	readAt        time.Time // when it was asked what the Read fields answer
	writeAt       time.Time // the same for the Write fields
	stores        bool      // what the channel sends may be kept for replays
	storeAt       time.Time // when it was asked what stores answers
}

// newAccess is the access of a join with verified claims, for which the session has reserved
// what it holds. It must be released.
func newAccess(s *Session, subTopic string, private bool, token string, claims *auth.Claims, holds int) *access {
	return &access{
		hub: s.hub, account: &s.account, holds: holds, topic: policy.Topic{Name: subTopic, Headers: s.headers}, private: private,
		token: token, sub: claims.Subject, subject: s.hub.policy.Subject(claims.Role, string(claims.Raw)),
	}
}

// release forgets the subject.
func (a *access) release() {
	a.mu.Lock()
	subject, holds := a.subject, a.holds
	a.subject, a.holds = nil, 0
	a.mu.Unlock()
	a.account.give(holds)
	a.hub.policy.Release(subject)
}

// holdMore has the session hold more until the release; less, if it is negative. It is false,
// and changes nothing, if all sessions hold too much.
func (a *access) holdMore(size int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subject == nil {
		return true
	}
	if !a.account.take(size) {
		return false
	}
	a.holds += size
	return true
}

// acting is the subject at present, nil after release.
func (a *access) acting() *policy.Subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.subject
}

// hold is the subject at present with a reference of the caller's own, so that
// it stays until the caller releases it; nil after release.
func (a *access) hold() *policy.Subject {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subject == nil {
		return nil
	}
	return a.hub.policy.Subject(a.subject.Role, a.subject.Claims)
}

// bearer is the token at present.
func (a *access) bearer() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.token
}

// named is the sub claim at present.
func (a *access) named() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sub
}

// become replaces token and subject, and returns the subject before; nil if the
// access was released meanwhile. What may be written has to be asked again.
func (a *access) become(token, sub string, subject *policy.Subject) (before *policy.Subject) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if before = a.subject; before != nil {
		a.token, a.sub, a.subject = token, sub, subject
		a.rights.writeAt, a.rights.storeAt = time.Time{}, time.Time{}
	}
	return before
}

// known are the last answers.
func (a *access) known() rights {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.rights
}

// takeAnswer takes in an answer about what a subject may read; with presence it
// was also asked about presence. It is false, and changes nothing, if the
// channel acts as another subject by now or has taken in a later answer.
func (a *access) takeAnswer(subject *policy.Subject, began time.Time, granted policy.Grants, presence bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subject != subject || began.Before(a.rights.readAt) {
		return false
	}
	a.rights.readAt, a.rights.ReadBroadcast = began, granted.ReadBroadcast
	if presence {
		a.rights.presenceAsked, a.rights.ReadPresence = true, granted.ReadPresence
	}
	return true
}

// enter asks at join whether a private topic may be read at all: it is enough
// to be allowed broadcasts or presence.
func (a *access) enter(ctx context.Context, presence bool) error {
	if !a.private {
		return nil
	}
	if a.hub.arming.feed().outage() == databaseAway { // the session's other joins wait behind this one
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lookLimit)
		defer cancel()
	}
	began, subject := now(), a.acting()
	granted, err := a.askRead(ctx, subject, presence)
	a.takeAnswer(subject, began, granted, presence)
	return err
}

// hears reports whether broadcasts of others are received.
func (a *access) hears() bool { return !a.deaf && !a.isBarred() }

// isBarred reports whether broadcasts may not be received.
func (a *access) isBarred() bool { return a.private && !a.known().ReadBroadcast }

// watches reports whether presence of others may be received.
func (a *access) watches() bool { return !a.private || a.known().ReadPresence }

// askRead asks what may be received of a private topic. An error is the reason
// of a refusal.
func (a *access) askRead(ctx context.Context, subject *policy.Subject, presence bool) (policy.Grants, error) {
	granted, err := a.hub.policy.MayRead(ctx, subject, a.topic, presence)
	switch unprepared := policy.Unprepared(err); {
	case unprepared != nil:
		return granted, unprepared
	case policy.IsAnswer(err):
		return policy.Grants{}, a.notReadable()
	case err != nil:
		a.hub.logger.Warn("private channel not checked", "topic", a.topic.Name, "err", err)
		return granted, protocol.RefuseDatabaseAway
	case !granted.ReadBroadcast && !granted.ReadPresence:
		return granted, a.notReadable()
	}
	return granted, nil
}

func (a *access) notReadable() error { return protocol.RefuseRead(a.topic.Name) }

// believes reports whether an answer about sending is still believed: it was
// asked for a moment ago, and nothing that rights depend on was seen to change
// since.
func (a *access) believes(asked, at time.Time) bool {
	return at.Before(asked.Add(a.hub.config.WriteCheck)) && a.hub.readers.changed.believes(asked, at)
}

// askWrite asks what may be sent, unless the last answer is believed.
func (a *access) askWrite(ctx context.Context) (rights, error) {
	began := now()
	known := a.known()
	if a.believes(known.writeAt, began) {
		return known, nil
	}
	subject := a.acting()
	if subject == nil {
		return known, nil // the channel has ended
	}
	granted, err := a.hub.policy.MayWrite(ctx, subject, a.topic)
	if err != nil {
		a.hub.logger.Warn("write permission not checked", "topic", a.topic.Name, "err", err)
		return known, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subject != subject { // of a new token it is not known yet
		return rights{}, nil
	}
	a.rights.WriteBroadcast, a.rights.WritePresence, a.rights.writeAt = granted.WriteBroadcast, granted.WritePresence, began
	return a.rights, nil
}

// mayBroadcast says why nothing may be broadcast, nil if it may.
func (a *access) mayBroadcast(ctx context.Context) error {
	if !a.private {
		return nil
	}
	known, err := a.askWrite(ctx)
	return unwritable(known.WriteBroadcast, err, protocol.RefuseWrite(a.topic.Name))
}

// unwritable words an answer of policy: why something may not be sent, nil if
// it may. denied is the refusal if the subject has no right to send it.
func unwritable(granted bool, err error, denied protocol.Refusal) error {
	var raised *policy.AskError
	unprepared := policy.Unprepared(err)
	switch {
	case err == nil && granted:
		return nil
	case errors.Is(unprepared, policy.ErrMissingPartition):
		return protocol.RefuseMissingPartition
	case unprepared != nil:
		return unprepared
	case errors.As(err, &raised):
		return protocol.Named{Refusal: denied, Name: "rls_policy_error"}
	case err == nil, policy.IsAnswer(err):
		return denied
	}
	return protocol.RefuseDatabaseAway
}

// mayStore says why broadcasts may not be kept for replays, nil if they may.
// Like answers about writing, an answer is believed for a while.
func (a *access) mayStore(ctx context.Context) error {
	if !a.private {
		return protocol.RefusePersistPublic
	}
	began, denied := now(), protocol.RefuseStore(a.topic.Name)
	known := a.known()
	if a.believes(known.storeAt, began) {
		return unwritable(known.stores, nil, denied)
	}
	subject := a.acting()
	if subject == nil {
		return denied // the channel has ended
	}
	granted, err := a.hub.policy.MayStore(ctx, subject, a.topic)
	if err != nil {
		a.hub.logger.Warn("permission to store not checked", "topic", a.topic.Name, "err", err)
		return unwritable(false, err, denied)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subject == subject {
		a.rights.stores, a.rights.storeAt = granted, began
	}
	return unwritable(granted, nil, denied)
}

// mayTrack reports whether presence may be tracked. With the first track it is
// asked whether that of others may be received, if the join did not.
func (a *access) mayTrack(ctx context.Context) bool {
	if !a.private {
		return true
	}
	known, err := a.askWrite(ctx)
	if err != nil || !known.WritePresence {
		return false
	}
	if !known.ReadPresence && !known.presenceAsked {
		began, subject := now(), a.acting()
		if subject == nil {
			return false
		}
		if granted, err := a.hub.policy.MayRead(ctx, subject, a.topic, true); err == nil {
			a.learnPresence(subject, began, granted.ReadPresence)
		}
	}
	return true
}

// learnPresence takes in an answer about presence alone. What the answer says
// of broadcasts is left to readers, which also have it take effect.
func (a *access) learnPresence(subject *policy.Subject, began time.Time, granted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.subject == subject && !began.Before(a.rights.readAt) {
		a.rights.presenceAsked, a.rights.ReadPresence = true, granted
	}
}

// reread asks what a new subject may receive. It refuses if that is less than
// before, or cannot be known, and then the channel ends.
func (a *access) reread(ctx context.Context, subject *policy.Subject) (granted policy.Grants, refused error) {
	if !a.private {
		return granted, nil
	}
	before := a.known()
	granted, err := a.askRead(ctx, subject, before.presenceAsked)
	switch {
	case err != nil:
		return granted, err
	case before.ReadBroadcast && !granted.ReadBroadcast || before.ReadPresence && !granted.ReadPresence:
		return granted, protocol.Refusal{Text: protocol.MessageNoLongerReadable(a.topic.Name)}
	}
	return granted, nil
}
