package server

import (
	"context"
	"time"

	"walcast/channels"
	"walcast/migrations"
	"walcast/protocol"
)

// archive is migrations' archive as channels knows it.
type archive struct{ *migrations.Archive }

// Newest implements channels.Archive.
func (a archive) Newest(ctx context.Context, subTopic string, since time.Time, limit int, committed []string) ([]channels.Stored, error) {
	messages, err := a.Archive.Newest(ctx, subTopic, since, limit, committed)
	if err != nil {
		return nil, err
	}
	stored := make([]channels.Stored, len(messages))
	for i, m := range messages {
		stored[i] = channels.Stored{ID: m.ID, Event: m.Event, Payload: m.Payload, Encoding: protocol.EncodingJSON}
		if m.Binary {
			stored[i].Encoding = protocol.EncodingBinary
		}
	}
	return stored, nil
}
