package topics

import (
	"context"
	"errors"
	"time"

	"walcast/protocol"
)

// storeTimeout bounds how long a sender waits for its message to be stored.
const storeTimeout = 5 * time.Second

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
func (m *Member) BroadcastStored(stored Stored) { m.topic.broadcast(stored.broadcast(), m, stored.ID) }

// PublishStored is Publish for a message that is stored.
func (s *Topics) PublishStored(key protocol.Topic, stored Stored) {
	s.publish(key, stored.broadcast(), stored.ID)
}
