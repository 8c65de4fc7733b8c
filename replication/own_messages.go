package replication

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// messagePrefix is that of all our logical messages.
const messagePrefix = "walcast"

// ownMessages writes the logical messages of a server.
type ownMessages struct {
	pool  *pgxpool.Pool
	slot  string
	limit time.Duration // for one
}

// begin announces a stream that begins.
func (m ownMessages) begin(ctx context.Context) error {
	return m.emit(ctx, heartbeatContent+"0 "+m.slot+beginning)
}

// heartbeat writes a heartbeat. Nobody awaits one with the number 0.
func (m ownMessages) heartbeat(ctx context.Context, number uint64) error {
	return m.emit(ctx, heartbeatContent+strconv.FormatUint(number, 10)+" "+m.slot)
}

// emit writes one. It does not wait for synchronous standbys: one that is lost does no
// harm. It is transactional, as Postgres has no reason to write another to the disk
// before the next commit, nor then to send it.
func (m ownMessages) emit(ctx context.Context, content string) error {
	ctx, cancel := context.WithTimeout(ctx, m.limit)
	defer cancel()
	err := pgx.BeginFunc(ctx, m.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `set local synchronous_commit = local`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `select pg_logical_emit_message(true, $1::text, $2::text)`, messagePrefix, content)
		return err
	})
	if err != nil {
		return fmt.Errorf("emit logical message: %w", err)
	}
	return nil
}

// errMayNotWrite is why nothing is written.
var errMayNotWrite = errors.New("the database is a standby, which takes no logical messages")
