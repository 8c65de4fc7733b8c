package topics

import (
	"context"
	"errors"
	"slices"
	"time"

	"walcast/protocol"
)

// Archive is where stored messages of private topics are found. It is safe for
// concurrent use.
type Archive interface {
	// Newest returns the newest messages of a sub-topic that were stored at
	// since or later, limit at most, oldest first. committed are ids of
	// messages that have come from the log already: Newest waits until queries
	// see them.
	Newest(ctx context.Context, subTopic string, since time.Time, limit int, committed []string) ([]Stored, error)
	// Store keeps a message for replays, for the time keep, and returns its id.
	// The message does not come a second time when its row appears in the log.
	// An error may be a protocol.Refusal.
	Store(ctx context.Context, subTopic string, m Stored, keep time.Duration) (id string, err error)
}

// Stored is a message that is kept for replays: it was sent from SQL, or by a
// client that asked for it to be kept.
type Stored struct {
	ID       string // a UUID; "" for one that is stored nowhere
	Event    string
	Encoding protocol.Encoding
	Payload  []byte // JSON text or opaque, by Encoding
}

// broadcast is the message as it is delivered live.
func (s Stored) broadcast() protocol.Broadcast {
	b := protocol.Broadcast{Event: s.Event, Encoding: s.Encoding, Payload: s.Payload}
	if s.ID != "" {
		b.Meta = []byte(`{"id":"` + s.ID + `"}`) // a UUID needs no quoting
	}
	return b
}

// replayed is the message as a replay delivers it.
func (s Stored) replayed() protocol.Broadcast {
	b := s.broadcast()
	b.Meta = []byte(`{"id":"` + s.ID + `","replayed":true}`)
	return b
}

// errHugeNumber is why a message is delivered to nobody, live or by a replay.
var errHugeNumber = errors.New("its payload has a number that a double cannot hold, which ends the sockets of some clients")

func (s Stored) hasHugeNumber() bool {
	return s.Encoding == protocol.EncodingJSON && protocol.HasHugeNumber(s.Payload)
}

const (
	// replayTimeout bounds how long a join waits for stored messages.
	replayTimeout = 5 * time.Second
	// storeTimeout bounds how long a sender waits for its message to be stored.
	storeTimeout = 5 * time.Second
)

// Fetch gets the stored messages that a join asked for. The channel must be a
// member by then, and get messages from SQL, so that a message which is stored
// too late for the answer comes live. The error's text is the reason of a
// refusal.
func (s *Topics) Fetch(ctx context.Context, key protocol.Topic, r protocol.Replay) ([]Stored, error) {
	if s.config.Archive == nil {
		return nil, errReplay
	}
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	stored, err := s.config.Archive.Newest(ctx, key.SubTopic(), time.UnixMilli(r.Since), r.Limit, s.recent.ids(key, time.Now()))
	if err != nil {
		s.logger.Warn("stored messages not read", "topic", key.SubTopic(), "err", err)
		return nil, errReplay
	}
	return slices.DeleteFunc(stored, func(m Stored) bool {
		if m.hasHugeNumber() {
			s.warn("stored message not replayed", key, m.Event, errHugeNumber)
			return true
		}
		return false
	}), nil
}

// Store keeps a message on a private topic for replays and gives it its id. It
// does not send the message. An error is a Refusal.
func (s *Topics) Store(ctx context.Context, key protocol.Topic, m Stored, keep time.Duration) (Stored, error) {
	if s.config.Archive == nil {
		return m, protocol.RefusePersistFailed
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	var err error
	m.ID, err = s.config.Archive.Store(ctx, key.SubTopic(), m, keep)
	var refusal protocol.Refusal
	switch {
	case err == nil:
		return m, nil
	case errors.As(err, &refusal):
		return m, refusal
	}
	s.warn("message not stored", key, m.Event, err)
	return m, protocol.RefusePersistFailed
}

// BroadcastStored is Broadcast for a message that is stored: members that have
// it by a replay do not get it again.
func (m *Member) BroadcastStored(stored Stored) error {
	return m.topics.broadcast(m, Carried{Broadcast: stored.broadcast(), Client: m.config.Client, ID: stored.ID})
}

// PublishStored is Publish for a message that is stored.
func (s *Topics) PublishStored(key protocol.Topic, stored Stored) error {
	return s.publish(key, Carried{Broadcast: stored.broadcast(), ID: stored.ID})
}
