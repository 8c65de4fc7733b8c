package hostile

import (
	"context"
	"time"
)

// refusedMessagesFromSQL writes thousands of broadcasts to the WAL that are none.
type refusedMessagesFromSQL struct{}

func (refusedMessagesFromSQL) world() []string { return nil }

func (refusedMessagesFromSQL) run(ctx context.Context, a *attacker) error {
	return a.writing(ctx, 200*time.Millisecond,
		`select count(pg_logical_emit_message(true, 'walcast.broadcast', '{"topic": "t' || i || repeat('x', 500))) from generate_series(1, 400) i`)
}
