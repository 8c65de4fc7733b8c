package migrations

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Archive reads the messages that realtime.messages keeps. It is safe for
// concurrent use.
type Archive struct{ pool *pgxpool.Pool }

// NewArchive returns an archive that reads over pool, whose user must own the
// table, have BYPASSRLS or be one that GrantTo was called for.
func NewArchive(pool *pgxpool.Pool) *Archive { return &Archive{pool} }

// Message is one private broadcast as it was stored.
type Message struct {
	ID      string // a UUID
	Event   string
	Payload []byte // JSON text, or opaque bytes if Binary
	Binary  bool
}

// newest uses the index of private broadcasts by topic and time; of one
// transaction all have the same time, and ctid tells their order. A clock
// a little ahead must not hide a message, as upstream has it.
const newest = `
	select id::text, event, coalesce(textsend(payload::text), binary_payload), payload is null
	from %s
	where topic = $1 and private is true and extension = 'broadcast' and event is not null%s
		and (payload is not null or binary_payload is not null)
		and inserted_at >= $2 and inserted_at < (now() at time zone 'UTC') + interval '1 minute'
	order by inserted_at desc, %s desc
	limit $3`

// unexpired leaves out what its sender did not want kept any longer. A table that
// somebody else has made may lack the column.
const unexpired = " and (expires_at is null or expires_at > (now() at time zone 'UTC'))"

// visible counts those of the messages that queries see. The time limits it to
// recent partitions.
const visible = `select count(*) from %s
	where id = any($1::text[]::uuid[]) and inserted_at > (now() at time zone 'UTC') - interval '1 hour'`

const (
	visibleWait  = 5 * time.Millisecond
	visibleTries = 40 // some may have been deleted, or be of another time
)

// Newest returns the newest messages of a private topic that were stored at
// since or later, limit at most, oldest first. committed are ids of messages
// whose commit is in the WAL: the answer is of a time when they are visible, or
// 200 ms later.
func (a *Archive) Newest(ctx context.Context, topic string, since time.Time, limit int, committed []string) ([]Message, error) {
	from, err := a.source(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.await(ctx, from, committed); err != nil {
		return nil, err
	}
	messages, err := a.read(ctx, from, unexpired, topic, since, limit)
	if hasCode(err, codeUndefinedColumn) {
		messages, err = a.read(ctx, from, "", topic, since, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("read stored messages: %w", err)
	}
	for i := range messages { // a SQL_ASCII database may have any bytes
		if m := &messages[i]; !m.Binary {
			m.Payload = bytes.ToValidUTF8(m.Payload, []byte("\uFFFD"))
		}
		messages[i].Event = strings.ToValidUTF8(messages[i].Event, "\uFFFD")
	}
	slices.Reverse(messages)
	return messages, nil
}

// read asks for the messages that a further condition holds for.
func (a *Archive) read(ctx context.Context, from source, condition, topic string, since time.Time, limit int) ([]Message, error) {
	// inserted_at is a timestamp without zone, in UTC.
	rows, err := a.pool.Query(ctx, fmt.Sprintf(newest, from.relation, condition, from.order), topic, since.UTC(), limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Message])
}

// source is where all messages can be read, and the column with the order of those of
// one transaction.
type source struct{ relation, order string }

// throughView is whether this role was granted a view of the messages because
// row-level security hides them from it.
const throughView = `
	select coalesce((select has_table_privilege(v.oid, 'select') and not pg_has_role(m.relowner, 'usage')
		from pg_namespace n
		join pg_class m on m.relnamespace = n.oid and m.relname = 'messages'
		join pg_class v on v.relnamespace = n.oid and v.relname = 'walcast_messages'
		where n.nspname = 'realtime'), false)`

// source finds out where to read, each time: a role to which row-level security applies
// reads no row of the table and gets no error, so that a grant made meanwhile would
// not be noticed.
func (a *Archive) source(ctx context.Context) (source, error) {
	var view bool
	if err := a.pool.QueryRow(ctx, throughView).Scan(&view); err != nil {
		return source{}, fmt.Errorf("find stored messages: %w", err)
	}
	if view {
		return source{"realtime.walcast_messages", "place"}, nil
	}
	return source{"realtime.messages", "ctid"}, nil
}

// await waits until the messages are visible to queries.
func (a *Archive) await(ctx context.Context, from source, committed []string) error {
	for range visibleTries {
		if len(committed) == 0 {
			return nil
		}
		var seen int
		if err := a.pool.QueryRow(ctx, fmt.Sprintf(visible, from.relation), committed).Scan(&seen); err != nil {
			return fmt.Errorf("look for messages that were just committed: %w", err)
		}
		if seen >= len(committed) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(visibleWait):
		}
	}
	return nil
}
