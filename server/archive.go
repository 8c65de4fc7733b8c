package server

import (
	"context"
	"errors"
	"time"

	"walcast/channels/topics"
	"walcast/migrations"
	"walcast/protocol"
)

// archive is migrations' archive as channels knows it.
type archive struct{ *migrations.Archive }

// Newest implements topics.Archive.
func (a archive) Newest(ctx context.Context, subTopic string, since time.Time, limit int, committed []string) ([]topics.Stored, error) {
	messages, err := a.Archive.Newest(ctx, subTopic, since, limit, committed)
	if err != nil {
		return nil, err
	}
	stored := make([]topics.Stored, len(messages))
	for i, m := range messages {
		stored[i] = topics.Stored{ID: m.ID, Event: m.Event, Payload: m.Payload, Encoding: protocol.EncodingJSON}
		if m.Binary {
			stored[i].Encoding = protocol.EncodingBinary
		}
	}
	return stored, nil
}

// Store implements topics.Archive.
func (a archive) Store(ctx context.Context, subTopic string, m topics.Stored, keep time.Duration) (id string, err error) {
	id, err = a.Archive.Store(ctx, subTopic, migrations.Message{
		Event: m.Event, Payload: m.Payload, Binary: m.Encoding == protocol.EncodingBinary,
	}, keep)
	switch {
	case errors.Is(err, migrations.ErrNotStorable):
		return "", protocol.RefusePersistJSON
	case errors.Is(err, migrations.ErrNoPartition):
		return "", protocol.RefuseMissingPartition
	}
	return id, err
}
