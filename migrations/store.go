package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The reasons for which a message is not stored. Any other error is the database's.
var (
	// ErrNotStorable means that the payload is no JSON that Postgres takes, such as
	// one with the character 0.
	ErrNotStorable = errors.New("the payload is no jsonb")
	// ErrNoPartition means that realtime.messages has none for now.
	ErrNoPartition = errors.New("realtime.messages has no partition for today")
	// ErrCannotKeep means that the table, which somebody else has made, lacks what
	// it takes to keep what was sent by clients.
	ErrCannotKeep = errors.New("realtime.messages has no columns skip_broadcast and expires_at")
)

// The SQLSTATEs of these.
const (
	codeUndefinedColumn = "42703"
	codeCheckViolation  = "23514" // as which Postgres reports a missing partition
	classData           = "22"
)

// ownPath gives the rest of a transaction the search_path that the role or the database
// has set: triggers and defaults of the table, which others have made, may count on it.
const ownPath = "set local search_path to default"

// store inserts a message that the server sends by itself: it is not sent again
// when its row is in the log. It qualifies all names, as it is parsed under ownPath.
const store = `
	insert into %s (topic, extension, event, payload, binary_payload, private, skip_broadcast, expires_at)
	values ($1, 'broadcast', $2, $3::pg_catalog.text::pg_catalog.jsonb, $4, true, true,
		pg_catalog.timezone('UTC', pg_catalog.now()) operator(pg_catalog.+) pg_catalog.make_interval(secs => $5::pg_catalog.float8))
	returning id::pg_catalog.text`

// Store keeps a message of a private topic for replays, for so long, and returns
// its id.
func (a *Archive) Store(ctx context.Context, topic string, m Message, keep time.Duration) (id string, err error) {
	var text *string
	var bytes []byte
	if m.Binary {
		bytes = append([]byte{}, m.Payload...) // not null, though it may be empty
	} else {
		json := string(m.Payload)
		text = &json
	}
	into, err := a.source(ctx)
	if err != nil {
		return "", err
	}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, ownPath); err != nil {
			return err
		}
		return tx.QueryRow(ctx, fmt.Sprintf(store, into.relation), topic, m.Event, text, bytes, float64(keep)/float64(time.Second)).Scan(&id)
	})
	var raised *pgconn.PgError
	errors.As(err, &raised)
	switch {
	case err == nil:
		return id, nil
	case raised != nil && raised.Code[:2] == classData:
		return "", ErrNotStorable
	case hasCode(err, codeCheckViolation):
		return "", ErrNoPartition
	case hasCode(err, codeUndefinedColumn):
		return "", ErrCannotKeep
	}
	return "", fmt.Errorf("store message: %w", err)
}

func hasCode(err error, code string) bool {
	var raised *pgconn.PgError
	return errors.As(err, &raised) && raised.Code == code
}
