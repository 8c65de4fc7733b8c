package migrations

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Archive reads the messages that realtime.messages keeps. It is safe for
// concurrent use.
type Archive struct{ pool *pgxpool.Pool }

// NewArchive returns an archive that reads over pool, whose user must own the
// table or have BYPASSRLS.
func NewArchive(pool *pgxpool.Pool) *Archive { return &Archive{pool} }

// Message is one private broadcast as it was stored.
type Message struct {
	ID      string // a UUID
	Event   string
	Payload []byte // JSON text, or opaque bytes if Binary
	Binary  bool
}

// newest uses the index of private broadcasts by topic and time; of one
// transaction all have the same time, and their place tells the order. A clock
// a little ahead must not hide a message, as upstream has it.
const newest = `
	select id::text, event, coalesce(convert_to(payload::text, 'UTF8'), binary_payload), payload is null
	from realtime.messages
	where topic = $1 and private is true and extension = 'broadcast' and event is not null
		and (payload is not null or binary_payload is not null)
		and inserted_at >= $2 and inserted_at < (now() at time zone 'UTC') + interval '1 minute'
	order by inserted_at desc, ctid desc
	limit $3`

// Newest returns the newest messages of a private topic that were stored at
// since or later, limit at most, oldest first.
func (a *Archive) Newest(ctx context.Context, topic string, since time.Time, limit int) ([]Message, error) {
	// inserted_at is a timestamp without zone, in UTC.
	rows, err := a.pool.Query(ctx, newest, topic, since.UTC(), limit)
	if err != nil {
		return nil, fmt.Errorf("read stored messages: %w", err)
	}
	messages, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Message])
	if err != nil {
		return nil, fmt.Errorf("read stored messages: %w", err)
	}
	slices.Reverse(messages)
	return messages, nil
}
